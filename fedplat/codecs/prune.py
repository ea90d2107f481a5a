"""Top-z pruning: small values become zeros, and stay in the update as such."""

import itertools
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from fedplat import check
from fedplat.codecs.kernels.selection import largest
from fedplat.codecs.packet import Form, Packet
from fedplat.codecs.stage import Memory, Traits
from fedplat.params import Layout


@dataclass(frozen=True, slots=True)
class Prune:
    """Sets all but the `keep` largest magnitudes of each matrix to 0; biases are left as they are.

    Unlike top_k, what comes out is dense: what follows (FedZip's k-means) sees the zeros too.

    Guarantees: of n values of a tensor with two dimensions or more, max(1, round(keep · n)) stay as
    they are; tensors with fewer dimensions stay whole.
    Raises: ValueError, if `keep` is not in (0, 1].
    Source: Malekijoo et al. 2021, "FedZip", Top-z sparsification, as in the authors' code, which
    skips biases.  arXiv:2102.01593
    """

    name: ClassVar[str] = "prune"
    keep: float = 0.2

    def __post_init__(self) -> None:
        check.in_unit_interval(keep=self.keep)

    @property
    def traits(self) -> Traits:
        return Traits(lossy=True, unbiased=False, linear=False, drops=True)

    def scaled(self, factor: float) -> "Prune":
        """As `Tunable`: keeps a `factor`-th of what this keeps, everything at most."""
        return replace(self, keep=min(1.0, self.keep / factor))

    def form(self, before: Form) -> Form:
        if before != Form():
            raise ValueError(f"prune takes all values of an update, not {before.kind}")
        return before

    def forward(self, packet: Packet, memory: Memory, seed: int) -> tuple[Packet, Memory]:
        values = packet.dense()
        pruned = np.zeros_like(values)
        for spec, (start, stop) in zip(
            packet.layout.flat, itertools.pairwise(packet.edges().tolist()), strict=True
        ):
            tensor = values[start:stop]
            if len(spec.shape) < 2:
                pruned[start:stop] = tensor
            elif len(tensor):
                kept = start + largest(tensor, max(1, round(self.keep * len(tensor))))
                pruned[kept] = values[kept]
        return replace(packet, values=pruned), {}

    def backward(self, packet: Packet, layout: Layout) -> Packet:
        return packet
