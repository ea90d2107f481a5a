"""Dead-zone uniform quantisation, to be followed by an entropy coder: small values become 0."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from fedplat import check
from fedplat.codecs import ranges
from fedplat.codecs.kernels import quantise
from fedplat.codecs.packet import Form, Packet
from fedplat.codecs.ranges import Scope
from fedplat.codecs.stage import Memory, Traits
from fedplat.params import Layout

LEVELS = 32767
ROOM = LEVELS - 1  # |x| / step: rounding up never leads beyond the last symbol


@dataclass(frozen=True, slots=True)
class Ecsq:
    """Makes value x the symbol m = sign(x)·⌊|x|/Δ + 1 − dead_zone⌋; Δ is `step` times the rms.

    The rms is the root mean square of the whole vector (or of each tensor, each block), what a
    stage before has left out counted as 0.  All m = ±1 come back as their mean magnitude, all
    others as |m|·Δ plus the mean of what that loses: three numbers a range travel on the side.

    Guarantees: values within ±dead_zone·Δ come back as 0; the squared error is no larger than
    without the two means (float32's rounding aside).  With step·dead_zone ≤ 1 some value always
    survives; above, an update of equal magnitudes is lost, also to error feedback.  No value is
    clamped: where the largest would need a symbol beyond ±32767, Δ is larger, and travels so.
    Raises: ValueError, if `step` is not > 0, `dead_zone` not in [1/2, 1], `block` not ≥ 1.
    Source: Sullivan 1996, "Efficient Scalar Quantization of Exponential and Laplacian Random
    Variables", IEEE Trans. Inf. Theory 42(5), section IV (uniform thresholds with a dead zone).
    Deviates: two reconstruction offsets, not one.
    """

    name: ClassVar[str] = "ecsq"
    step: float = 2.0
    dead_zone: float = 0.5
    scope: Scope = "global"
    block: int = 2048

    def __post_init__(self) -> None:
        check.positive(step=self.step)
        if not 0.5 <= self.dead_zone <= 1:
            raise ValueError(f"dead_zone must lie in [0.5, 1], got {self.dead_zone!r}")
        ranges.refuse_scope(self.scope, self.block)

    @property
    def traits(self) -> Traits:
        return Traits(lossy=True, unbiased=False, linear=False, drops=True)

    def scaled(self, factor: float) -> "Ecsq":
        """The same with a step `factor` times as large: what rate control turns."""
        return replace(self, step=self.step * factor)

    def form(self, before: Form) -> Form:
        ranges.takes_values(self.name, self.scope, before)
        return Form(before.where, alphabet=(-LEVELS, LEVELS), zeros=True)

    def forward(self, packet: Packet, memory: Memory, seed: int) -> tuple[Packet, Memory]:
        values, edges = packet.numbers, ranges.edges(packet, self.scope, self.block)
        sizes = np.maximum(1, ranges.sizes(packet.layout, self.scope, self.block))
        wanted = self.step * np.sqrt(quantise.squares(values, edges) / sizes)
        steps = ranges.steps(quantise.peaks(values, edges), wanted, ROOM)
        symbols = quantise.dead_zone(values, edges, steps, self.dead_zone)
        shifts = quantise.shifts(values, symbols, edges, steps)
        return packet.quantised(symbols, steps, shifts[0], shifts[1]), {}

    def backward(self, packet: Packet, layout: Layout) -> Packet:
        count = len(ranges.sizes(layout, self.scope, self.block))
        far, packet = packet.popped(count)
        near, packet = packet.popped(count)
        steps, packet = ranges.popped_scales(packet, count)
        edges = ranges.edges(packet, self.scope, self.block)
        return packet.restored(quantise.restored(packet.letters, edges, steps, near, far))
