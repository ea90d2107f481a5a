"""Top-k sparsification: the largest values travel, the others are 0."""

import itertools
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from fedplat import check
from fedplat.codecs.kernels.selection import largest
from fedplat.codecs.packet import Form, Packet
from fedplat.codecs.stage import Memory, Traits
from fedplat.params import Layout


@dataclass(frozen=True, slots=True)
class TopK:
    """Keeps the `ratio` largest magnitudes of the whole update, or of each tensor.

    Guarantees: k = max(1, round(ratio · n)) of n values are kept, bit by bit; among equals the
    lowest position wins; ‖x − x̂‖² ≤ (1 − k/n)·‖x‖².
    Raises: ValueError, if `ratio` is not in (0, 1] or `scope` is none of the two.
    Source: Stich et al. 2018, "Sparsified SGD with Memory", Definition 2.1.  arXiv:1809.07599
    """

    name: ClassVar[str] = "top_k"
    ratio: float
    scope: Literal["global", "tensor"] = "global"

    def __post_init__(self) -> None:
        check.in_unit_interval(ratio=self.ratio)
        check.one_of(("global", "tensor"), scope=self.scope)

    @property
    def traits(self) -> Traits:
        return Traits(lossy=True, unbiased=False, linear=False, drops=True)

    def scaled(self, factor: float) -> "TopK":
        """As `Tunable`: keeps a `factor`-th of what this keeps, everything at most."""
        return replace(self, ratio=min(1.0, self.ratio / factor))

    def form(self, before: Form) -> Form:
        if before != Form():
            raise ValueError(f"top_k takes all values of an update, not {before.kind}")
        return Form(where="some")

    def forward(self, packet: Packet, memory: Memory, seed: int) -> tuple[Packet, Memory]:
        values = packet.dense()
        edges = packet.edges() if self.scope == "tensor" else np.array([0, len(values)])
        kept = [
            start + largest(values[start:stop], max(1, round(self.ratio * int(stop - start))))
            for start, stop in itertools.pairwise(edges)
            if stop > start
        ]
        positions = np.concatenate([np.empty(0, dtype=np.int64), *kept])
        return replace(packet, values=values[positions], positions=positions), {}

    def backward(self, packet: Packet, layout: Layout) -> Packet:
        return packet
