"""Random sparsification: positions drawn from a seed, so that only values travel."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch

from fedplat import check
from fedplat.codecs import finite
from fedplat.codecs.kernels import counter
from fedplat.codecs.marks import Marks, many
from fedplat.codecs.packet import Form, Packet, Positions, Values
from fedplat.codecs.stage import Memory, Traits
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout
from fedplat.types import TensorSpec

BLOCK = 1 << 12  # values that are multiplied together


@dataclass(frozen=True, slots=True)
class RandK:
    """Keeps k = max(1, round(`ratio` · n)) of n values at positions that a seed draws.

    Behind it stands a vector of k values without positions; the seed is 8 bytes on the side.

    Guarantees: if `scaled`, kept values come back times n/k, and the expectation over seeds is the
    update; E‖x − x̂‖² = (n/k − 1)·‖x‖².  If not, kept values come back as they are, and
    E‖x − x̂‖² = (1 − k/n)·‖x‖²: biased, for use inside error feedback.
    Edge cases: what n/k takes beyond float32's largest number comes back as that number.
    Raises: ValueError, if `ratio` is not in (0, 1].
    Source: Konečný et al. 2016, "Federated Learning: Strategies for Improving Communication
    Efficiency", §3 "Subsampling".  arXiv:1610.05492.  Deviates: of n values exactly k are drawn.
    """

    name: ClassVar[str] = "rand_k"
    ratio: float
    scaled: bool = True

    def __post_init__(self) -> None:
        check.in_unit_interval(ratio=self.ratio)

    @property
    def traits(self) -> Traits:
        return Traits(lossy=True, unbiased=self.scaled, linear=False, seeded=True)

    def form(self, before: Form) -> Form:
        if before != Form():
            raise ValueError(f"rand_k takes all values of an update, not {before.kind}")
        return Form(where="drawn")

    def kept(self, dim: int) -> int:
        """How many of `dim` values travel."""
        return min(dim, max(1, round(self.ratio * dim)))

    def reshaped(self, layout: Layout) -> Layout:
        shape = (self.kept(layout.dim),)
        return Layout((TensorSpec("drawn", torch.float32, shape),))

    def forward(self, packet: Packet, memory: Memory, seed: int) -> tuple[Packet, Memory]:
        dim = packet.layout.dim
        values = packet.dense()[counter.chosen(seed, self.kept(dim), dim)]
        drawn = replace(packet, layout=self.reshaped(packet.layout), values=values, positions=None)
        return drawn.pushed(np.array([seed], dtype=np.uint64)), {}

    def backward(self, packet: Packet, layout: Layout) -> Packet:
        seed, packet = packet.popped_word()
        dim, kept = layout.dim, self.kept(layout.dim)
        values = packet.numbers if packet.positions is None else packet.dense()
        if len(values) != kept:
            reason = f"rand_k draws {kept} positions, got {len(values)} values"
            raise CorruptPayloadError(reason=reason)
        positions = self._positions(seed, dim)
        if self.scaled and kept < dim:
            values = _times(values, dim / kept)
        return replace(packet, layout=layout, values=values, positions=positions)

    def _positions(self, seed: int, dim: int) -> Positions | Marks:
        there = counter.drawn(seed, self.kept(dim), dim)
        return Marks.where(there) if many(self.kept(dim), dim) else np.flatnonzero(there)


def _times(values: Values, factor: float) -> Values:
    """Each value times `factor`, computed in float64, a block at a time."""
    scaled = np.empty_like(values)
    for start in range(0, len(values), BLOCK):
        here = slice(start, start + BLOCK)
        with np.errstate(invalid="ignore"):  # a signalling NaN of a stranger's is a NaN
            wide = values[here].astype(np.float64)
        scaled[here] = finite.nearest(wide * factor)
    return scaled
