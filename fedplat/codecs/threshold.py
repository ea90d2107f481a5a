"""Sparsification by size: what is large enough travels, the rest is 0."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from fedplat import check
from fedplat.codecs.kernels import quantise
from fedplat.codecs.kernels.selection import reaching
from fedplat.codecs.packet import Form, Packet
from fedplat.codecs.stage import Memory, Traits
from fedplat.params import Layout

SMALLEST = float(np.finfo(np.float32).smallest_subnormal)


@dataclass(frozen=True, slots=True)
class Threshold:
    """Keeps each |x| ≥ `value`, or with `unit = "rms"` each |x| ≥ `value` · rms of the vector.

    Guarantees: what is kept is kept bit by bit, what is lost is smaller than the threshold.
    Nothing may be kept, or everything; zeros never are.
    Raises: ValueError, if `value` is not > 0 or `unit` none of the two.
    Source: Strom 2015, "Scalable Distributed DNN Training Using Commodity GPU Cloud Computing",
    section 3 (a fixed threshold).  Deviates: values travel whole; error feedback is a stage.
    """

    name: ClassVar[str] = "threshold"
    value: float
    unit: Literal["absolute", "rms"] = "absolute"

    def __post_init__(self) -> None:
        check.positive(value=self.value)
        check.one_of(("absolute", "rms"), unit=self.unit)

    @property
    def traits(self) -> Traits:
        return Traits(lossy=True, unbiased=False, linear=False, drops=True)

    def scaled(self, factor: float) -> "Threshold":
        """The same with a threshold `factor` times as large: what rate control turns."""
        return replace(self, value=self.value * factor)

    def form(self, before: Form) -> Form:
        if before != Form():
            raise ValueError(f"threshold takes all values of an update, not {before.kind}")
        return Form(where="some")

    def forward(self, packet: Packet, memory: Memory, seed: int) -> tuple[Packet, Memory]:
        values = packet.dense()
        floor = self.value
        if self.unit == "rms":
            total = float(quantise.squares(values, np.array([0, len(values)]))[0])
            floor *= float(np.sqrt(total / max(1, len(values))))
        positions = reaching(values, max(floor, SMALLEST))
        return replace(packet, values=values[positions], positions=positions), {}

    def backward(self, packet: Packet, layout: Layout) -> Packet:
        return packet
