"""TernGrad: every value becomes −1, 0 or +1 times one scale a tensor, right on average."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from fedplat import check
from fedplat.codecs import ranges
from fedplat.codecs.kernels import quantise
from fedplat.codecs.packet import Form, Packet, Symbols, Values
from fedplat.codecs.stage import Memory, Traits
from fedplat.params import Layout


@dataclass(frozen=True, slots=True)
class Ternary:
    """Makes value g of a tensor sign(g) with probability |g| / s, at most 1, and 0 otherwise.

    s = min(max|g|, clip·σ), σ the tensor's root mean square: values beyond s are cut to ±s, as
    TernGrad's clipping does.  `clip = inf` cuts nothing.  With `scale = "shared"`, s is the
    memory's `shared` where that is above 0 (what the coordinator has sent down for each tensor),
    and the tensor's own before.  The scales travel on the side.

    Guarantees: without clipping E[ĝ] = g, to 2⁻²⁴·s; |g| ≥ s becomes ±1 always, 0 becomes 0 always;
    the draws depend on the seed alone.
    Raises: ValueError, if `clip` is not > 0, or `scale` none of the two words.
    Source: Wen et al. 2017, "TernGrad: Ternary Gradients to Reduce Communication in Distributed
    Deep Learning", sections 3.1 (eq. 1–3, scaler sharing) and 3.3 (layer-wise, clipping).
    arXiv:1705.07878  Deviates: σ is about 0, not about the tensor's mean, so that a constant
    tensor is not wiped out (the authors leave small tensors in float32).  The shared scale is
    the largest of the round before, so a round has one exchange, not two: what exceeds it is cut to
    it, and each client's own scale travels beside it.
    """

    name: ClassVar[str] = "ternary"
    clip: float = 2.5
    scale: Literal["own", "shared"] = "own"

    def __post_init__(self) -> None:
        if not self.clip > 0:
            raise ValueError(f"clip must be > 0, got {self.clip!r}")
        check.one_of(("own", "shared"), scale=self.scale)

    @property
    def shares(self) -> bool:
        """Whether the scale is all clients' own."""
        return self.scale == "shared"

    @property
    def traits(self) -> Traits:
        exact = math.isinf(self.clip) and not self.shares
        return Traits(lossy=True, unbiased=exact, linear=False, seeded=True)

    def form(self, before: Form) -> Form:
        ranges.takes_values(self.name, "tensor", before)
        return Form(before.where, alphabet=(-1, 1), zeros=True)

    def memory(self, layout: Layout) -> Memory:
        if self.scale == "own":
            return {}
        return {"shared": np.zeros(len(layout.flat), dtype=np.float32)}

    def forward(self, packet: Packet, memory: Memory, seed: int) -> tuple[Packet, Memory]:
        values, edges = packet.numbers, packet.edges()
        sizes = ranges.sizes(packet.layout, "tensor", 1)
        own = clipped_peaks(values, edges, sizes, self.clip)
        if not self.shares:
            return packet.quantised(quantise.ternary(values, edges, own, seed), own), {}
        scales = np.where(memory["shared"] > 0, memory["shared"], own)
        symbols = quantise.ternary(values, edges, scales, seed)
        return packet.quantised(symbols, scales, own), {}

    def proposed(self, packet: Packet, layout: Layout) -> Values:
        """The scales that this client would have used of its own."""
        return ranges.popped_scales(packet, len(layout.flat))[0]

    def backward(self, packet: Packet, layout: Layout) -> Packet:
        if self.shares:
            _, packet = ranges.popped_scales(packet, len(layout.flat))
        scales, packet = ranges.popped_scales(packet, len(layout.flat))
        none: Values = np.zeros(len(scales), dtype=np.float32)
        edges = ranges.edges(packet, "tensor", 1)
        return packet.restored(quantise.restored(packet.letters, edges, scales, none, none))


def clipped_peaks(
    values: Values, edges: quantise.Edges, sizes: quantise.Edges, clip: float
) -> Values:
    """Returns min(max|g|, clip·σ) of each range; σ counts the zeros that do not travel."""
    peaks = quantise.peaks(values, edges)
    if math.isinf(clip):
        return peaks
    sigmas = np.sqrt(quantise.squares(values, edges) / np.maximum(1, sizes))
    return np.minimum(peaks.astype(np.float64), clip * sigmas).astype(np.float32)


def ternary_sum(symbols: Sequence[Symbols]) -> Symbols:
    """Returns the sum of N workers' ternaries under one scale: integers in ±N, exact.

    Raises: ValueError, if there are none, or more than 32,767: their sum would not fit.
    Source: Wen et al. 2017, section 3.1, scaler sharing (2N + 1 levels).  arXiv:1705.07878
    """
    if not 1 <= len(symbols) <= np.iinfo(np.int16).max:
        raise ValueError(f"1 to 32767 ternaries can be added, got {len(symbols)}")
    total = symbols[0].astype(np.int16)
    for one in symbols[1:]:
        total += one
    return total
