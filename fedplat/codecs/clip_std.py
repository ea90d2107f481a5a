"""Clipping of each tensor to a multiple of its root mean square, as TernGrad does first."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from fedplat import check
from fedplat.codecs import ranges
from fedplat.codecs.kernels import quantise
from fedplat.codecs.packet import Form, Packet
from fedplat.codecs.stage import Memory, Traits
from fedplat.params import Layout


@dataclass(frozen=True, slots=True)
class ClipStd:
    """Cuts each value of a tensor to ±c·σ, σ = √(mean of squares), zeros left out counted.

    Guarantees: what lies within stays bit by bit; the bound is c·σ rounded to float32.
    Raises: ValueError, if `c` is not > 0.
    Source: Wen et al. 2017, "TernGrad", section 3.3, eq. 9 (c = 2.5).  arXiv:1705.07878
    Deviates: σ is about 0; in the authors' code it is about the tensor's mean while the clipping is
    about 0, which makes zeros of a constant tensor.
    """

    name: ClassVar[str] = "clip_std"
    c: float = 2.5

    def __post_init__(self) -> None:
        check.positive(c=self.c)

    @property
    def traits(self) -> Traits:
        return Traits(lossy=True, unbiased=False, linear=False)

    def form(self, before: Form) -> Form:
        ranges.takes_values(self.name, "tensor", before)
        return before

    def forward(self, packet: Packet, memory: Memory, seed: int) -> tuple[Packet, Memory]:
        values, edges = packet.numbers, packet.edges()
        sizes = np.maximum(1, ranges.sizes(packet.layout, "tensor", 1))
        sigmas = np.sqrt(quantise.squares(values, edges) / sizes)
        bounds = np.minimum(self.c * sigmas, ranges.LARGEST).astype(np.float32)
        every = np.repeat(bounds, np.diff(edges))
        return replace(packet, values=np.clip(values, -every, every)), {}

    def backward(self, packet: Packet, layout: Layout) -> Packet:
        return packet
