"""The pull side of TernGrad: a sum of ternaries lies on a grid of a few levels, and travels so."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat import check
from fedplat.codecs import ranges
from fedplat.codecs.kernels import grids, quantise
from fedplat.codecs.packet import Form, Packet, Values
from fedplat.codecs.stage import Memory, Traits
from fedplat.params import Layout

MOST = 32767


@dataclass(frozen=True, slots=True)
class Grid:
    """Makes value x of a tensor the integer x / Δ, |x / Δ| ≤ `levels`.

    Δ is max|x| / m, m the smallest integer for which all quotients are integers to 2⁻¹⁰: so a sum
    or a mean of N ≤ `levels` ternaries of one scale is found again.  A tensor that lies on no such
    grid gets Δ = max|x| / `levels`, and the nearest integers.  The Δ travel on the side.

    Guarantees: on a grid |x − x̂| ≤ 2⁻¹⁰·Δ, which is float32's rounding if x is a mean of ternaries;
    otherwise |x − x̂| ≤ Δ/2.
    Raises: ValueError, if `levels` is not in 1 … 32767.
    Source: Wen et al. 2017, "TernGrad", section 3.1, scaler sharing: 2N + 1 levels for N workers.
    arXiv:1705.07878  Deviates: workers that weigh unequally leave the grid, and lose by it.
    """

    name: ClassVar[str] = "grid"
    levels: int

    def __post_init__(self) -> None:
        check.whole(1, levels=self.levels)
        if self.levels > MOST:
            raise ValueError(f"levels must be <= {MOST}, got {self.levels}")

    @property
    def traits(self) -> Traits:
        return Traits(lossy=True, unbiased=False, linear=False)

    def form(self, before: Form) -> Form:
        ranges.takes_values(self.name, "tensor", before)
        return Form(before.where, alphabet=(-self.levels, self.levels), zeros=True)

    def forward(self, packet: Packet, memory: Memory, seed: int) -> tuple[Packet, Memory]:
        values, edges = packet.numbers, packet.edges()
        peaks = quantise.peaks(values, edges)
        counts = grids.coarsest(values, edges, peaks, self.levels)
        wanted = peaks.astype(np.float64) / counts
        steps = ranges.steps(peaks, wanted, self.levels)
        return packet.quantised(quantise.nearest(values, edges, steps), steps), {}

    def backward(self, packet: Packet, layout: Layout) -> Packet:
        steps, packet = ranges.popped_scales(packet, len(layout.flat))
        none: Values = np.zeros(len(steps), dtype=np.float32)
        edges = ranges.edges(packet, "tensor", 1)
        return packet.restored(quantise.restored(packet.letters, edges, steps, none, none))
