"""Error feedback: what a lossy chain loses in one round is added to the next update."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from fedplat.codecs import stage
from fedplat.codecs.packet import Form, Packet
from fedplat.codecs.stage import Memory, Stage, Traits
from fedplat.errors import DivergenceError
from fedplat.params import Layout


@dataclass(frozen=True)
class ErrorFeedback:
    """Runs `inner` on update + residual; the next residual is what `inner` lost of that.

    Guarantees: the sum of all decoded updates is the sum of all updates minus the last residual.
    The residual takes effect with the update's acknowledgement; of an update that was not accepted
    nothing is remembered.
    Raises: ValueError, if `inner` loses nothing, or corrects itself already; DivergenceError, if
    the sum is beyond float32.
    Source: Karimireddy et al. 2019, "Error Feedback Fixes SignSGD and other Gradient Compression
    Schemes", Algorithm 2 (its step size is the training's here).  arXiv:1901.09847
    """

    name: ClassVar[str] = "error_feedback"
    inner: tuple[Stage, ...]

    def __post_init__(self) -> None:
        found = stage.traits(self.inner)
        if not found.lossy or found.corrected:
            raise ValueError("error_feedback needs stages behind it that lose something, once")

    @property
    def traits(self) -> Traits:
        return replace(stage.traits(self.inner), unbiased=False, stateful=True, corrected=True)

    def form(self, before: Form) -> Form:
        if before != Form():
            raise ValueError(f"error_feedback takes all values of an update, not {before.kind}")
        return stage.forms(self.inner, before)

    def memory(self, layout: Layout) -> Memory:
        residual = np.zeros(layout.dim, dtype=np.float32)
        return {"residual": residual, **stage.memories(self.inner, layout)}

    def reshaped(self, layout: Layout) -> Layout:
        return stage.layouts(self.inner, layout)[-1]

    def forward(self, packet: Packet, memory: Memory, seed: int) -> tuple[Packet, Memory]:
        with np.errstate(over="ignore"):
            wanted = replace(packet, values=packet.numbers + memory["residual"])
        if not np.isfinite(wanted.numbers).all():
            what = "the sum of update and residual"
            raise DivergenceError(round_id=0, client="", what=what, step=0)
        inside = {name: value for name, value in memory.items() if name != "residual"}
        coded, after = stage.forward(self.inner, wanted, inside, seed)
        got = stage.backward(self.inner, coded, packet.layout)
        residual = wanted.numbers.copy()
        residual[got.index] -= got.numbers
        return coded, {"residual": residual, **after}

    def backward(self, packet: Packet, layout: Layout) -> Packet:
        return stage.backward(self.inner, packet, layout)
