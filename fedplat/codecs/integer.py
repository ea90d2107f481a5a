"""Integers of b bits with a scale for each tensor or block; QSGD's levels of a norm."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from fedplat import check
from fedplat.codecs import ranges
from fedplat.codecs.kernels import quantise
from fedplat.codecs.packet import Form, Packet, Values
from fedplat.codecs.ranges import Scope
from fedplat.codecs.stage import Memory, Traits
from fedplat.params import Layout

MOST = 32767


@dataclass(frozen=True, slots=True)
class Integer:
    """Makes value x the integer x / Δ, rounded; Δ = max|x| / (2^(bits−1) − 1) of its range.

    Guarantees: |x − x̂| ≤ Δ/2 (nearest) or < Δ (stochastic), float32's rounding aside; 0 stays 0.
    With stochastic rounding E[x̂] = x, to 2⁻²⁴·Δ.  The Δ travel on the side.
    Raises: ValueError, if `bits` is not in 2 … 16, `block` not ≥ 1, or a word is unknown.
    Source: Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization", section 2.1, with
    linear levels.  arXiv:2110.02861  Deviates: a scale for each tensor unless scope = "block".
    """

    name: ClassVar[str] = "integer"
    bits: int = 8
    rounding: Literal["nearest", "stochastic"] = "nearest"
    scope: Scope = "tensor"
    block: int = 2048

    def __post_init__(self) -> None:
        check.whole(2, bits=self.bits)
        if self.bits > 16:
            raise ValueError(f"bits must be <= 16, got {self.bits}")
        check.one_of(("nearest", "stochastic"), rounding=self.rounding)
        ranges.refuse_scope(self.scope, self.block)

    @property
    def traits(self) -> Traits:
        drawn = self.rounding == "stochastic"
        return Traits(lossy=True, unbiased=drawn, linear=False, seeded=drawn)

    def form(self, before: Form) -> Form:
        ranges.takes_values(self.name, self.scope, before)
        return Form(before.where, alphabet=(-self._most, self._most), zeros=True)

    def forward(self, packet: Packet, memory: Memory, seed: int) -> tuple[Packet, Memory]:
        values, edges = packet.numbers, ranges.edges(packet, self.scope, self.block)
        peaks = quantise.peaks(values, edges)
        steps = ranges.steps(peaks, np.zeros(len(peaks)), self._most)
        if self.rounding == "nearest":
            return packet.quantised(quantise.nearest(values, edges, steps), steps), {}
        return packet.quantised(quantise.stochastic(values, edges, steps, seed), steps), {}

    def backward(self, packet: Packet, layout: Layout) -> Packet:
        return _multiplied(packet, layout, self.scope, self.block)

    @property
    def _most(self) -> int:
        return int(2 ** (self.bits - 1)) - 1


@dataclass(frozen=True, slots=True)
class Qsgd:
    """Makes value x the integer x·levels / ‖bucket‖₂, rounded up or down by chance.

    Guarantees: E[x̂] = x, to 2⁻²⁴ of a level; the variance of a bucket of d values is at most
    min(d / levels², √d / levels) · ‖x‖².  The norms / levels travel on the side.
    Raises: ValueError, if `levels` is not in 1 … 32767 or `bucket` not ≥ 1.
    Source: Alistarh et al. 2017, "QSGD: Communication-Efficient SGD via Gradient Quantization and
    Encoding", section 3.1 and Lemma 3.1, buckets of section 4.  arXiv:1610.02132
    Deviates: Elias' code is left to the entropy coder behind.
    """

    name: ClassVar[str] = "qsgd"
    levels: int = 127
    bucket: int = 512

    def __post_init__(self) -> None:
        check.whole(1, levels=self.levels, bucket=self.bucket)
        if self.levels > MOST:
            raise ValueError(f"levels must be <= {MOST}, got {self.levels}")

    @property
    def traits(self) -> Traits:
        return Traits(lossy=True, unbiased=True, linear=False, seeded=True)

    def form(self, before: Form) -> Form:
        ranges.takes_values(self.name, "block", before)
        return Form(before.where, alphabet=(-self.levels, self.levels), zeros=True)

    def forward(self, packet: Packet, memory: Memory, seed: int) -> tuple[Packet, Memory]:
        values, edges = packet.numbers, ranges.edges(packet, "block", self.bucket)
        wanted = np.sqrt(quantise.squares(values, edges)) / self.levels
        steps = ranges.steps(quantise.peaks(values, edges), wanted, self.levels)
        return packet.quantised(quantise.stochastic(values, edges, steps, seed), steps), {}

    def backward(self, packet: Packet, layout: Layout) -> Packet:
        return _multiplied(packet, layout, "block", self.bucket)


def _multiplied(packet: Packet, layout: Layout, scope: Scope, block: int) -> Packet:
    """Symbol times step, undoing both."""
    steps, packet = ranges.popped_scales(packet, len(ranges.sizes(layout, scope, block)))
    none: Values = np.zeros(len(steps), dtype=np.float32)
    edges = ranges.edges(packet, scope, block)
    return packet.restored(quantise.restored(packet.letters, edges, steps, none, none))
