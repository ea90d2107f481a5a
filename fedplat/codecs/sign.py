"""One bit for each value: its sign, and how large the values are on average."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np

from fedplat import check
from fedplat.codecs.packet import Form, Packet, Positions, Values
from fedplat.codecs.stage import Memory, Traits
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout


@dataclass(frozen=True, slots=True)
class Sign:
    """Values become ±μ; μ is the mean magnitude of those that are not 0, which stay 0.

    On all values of an update this is (EF-)signSGD, behind `top_k` it is sparse ternary
    compression.  `scale = "one"` leaves μ away: ±1.

    Guarantees: with "mean", ‖x − x̂‖² = ‖x‖² − ‖x‖₁²/m over the m values of a scope that are not 0.
    Raises: ValueError, if `scale` or `scope` is none of the two.
    Source: Karimireddy et al. 2019, "Error Feedback Fixes SignSGD", Algorithm 1, arXiv:1901.09847;
    Sattler et al. 2019, "Robust and Communication-Efficient Federated Learning from Non-IID Data",
    Algorithm 1, arXiv:1903.02891; with "one": Bernstein et al. 2018, arXiv:1802.04434.
    Deviates: zeros do not count in the mean (of a network's update, many are exactly 0), and the
    mean may be of each tensor.
    """

    name: ClassVar[str] = "sign"
    scale: Literal["mean", "one"] = "mean"
    scope: Literal["tensor", "global"] = "tensor"

    def __post_init__(self) -> None:
        check.one_of(("mean", "one"), scale=self.scale)
        check.one_of(("tensor", "global"), scope=self.scope)

    @property
    def traits(self) -> Traits:
        return Traits(lossy=True, unbiased=False, linear=False, drops=True)

    def form(self, before: Form) -> Form:
        if before.alphabet is not None:
            raise ValueError("sign takes values, not symbols")
        return replace(before, alphabet=(-1, 1), zeros=True)

    def forward(self, packet: Packet, memory: Memory, seed: int) -> tuple[Packet, Memory]:
        packet = _without_zeros(packet)
        symbols = np.sign(packet.numbers).astype(np.int16)
        if self.scale == "one":
            return packet.quantised(symbols), {}
        edges = self._edges(packet)
        scales = [
            _mean_magnitude(packet.numbers[start:stop]) for start, stop in pairwise(edges.tolist())
        ]
        return packet.quantised(symbols, np.array(scales, dtype=np.float32)), {}

    def backward(self, packet: Packet, layout: Layout) -> Packet:
        values = packet.letters.astype(np.float32)
        if self.scale == "one":
            return packet.restored(values)
        edges = self._edges(packet)
        if edges[-1] != len(values):
            reason = f"{edges[-1]} signs expected, got {len(values)}"
            raise CorruptPayloadError(reason=reason)
        scales, packet = packet.popped(len(edges) - 1)
        for scale, (start, stop) in zip(scales, pairwise(edges), strict=True):
            values[start:stop] *= scale
        return packet.restored(values)

    def _edges(self, packet: Packet) -> Positions:
        """Where the values that share a scale begin, and the last ones' end."""
        edges = packet.edges()
        return edges if self.scope == "tensor" else edges[[0, -1]]


def _without_zeros(packet: Packet) -> Packet:
    """Without the values that are 0, if the packet says where its values stand."""
    if packet.positions is None:
        return packet
    there = packet.numbers != 0
    return replace(packet, values=packet.numbers[there], positions=packet.places()[there])


def _mean_magnitude(values: Values) -> float:
    count = np.count_nonzero(values)
    return float(np.abs(values).sum(dtype=np.float64) / count) if count else 0.0
