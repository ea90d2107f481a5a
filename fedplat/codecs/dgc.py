"""Deep Gradient Compression: momentum and what was not sent yet, kept by who sends."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fedplat import check
from fedplat.codecs import finite, stage
from fedplat.codecs.packet import Form, Packet, Values
from fedplat.codecs.stage import Memory, Stage, Traits
from fedplat.codecs.top_k import TopK
from fedplat.params import Layout

OWN = ("momentum", "pending", "rounds")
FIRST_RATIO = 0.25  # of the warm-up; each round sends a quarter of the round before: 25, 6.25 … %


@dataclass(frozen=True)
class MomentumCorrection:
    """Sends the largest of v: u ← m·u + g, v ← v + u, for an update g; `inner` begins with `top_k`.

    Where something was sent, u begins anew at 0 (momentum factor masking), and v is what `inner`
    lost of it (0 behind `top_k` alone).  `clip_norm` bounds ‖g‖ first.  In the first
    `warmup_rounds` of a client, top_k's ratio is at least 1/4, 1/16, 1/64 ….

    Guarantees: with m = 0, the sum of all decoded updates is the sum of all updates minus v.
    u, v and the count of rounds take effect with the update's acknowledgement.
    Raises: ValueError, if `inner` does not begin with `top_k` or a number has no meaning.
    Source: Lin et al. 2018, "Deep Gradient Compression", §3, vanilla momentum.  arXiv:1712.01887.
    Deviates: g is a round's update instead of a gradient, so m adds to the momentum of local
    training; the warm-up counts a client's rounds instead of epochs; `clip_norm` is this client's
    (the paper's is a common threshold over the square root of the number of clients); top-k is of
    the whole update and exact, not of a sample of each layer.
    """

    name: ClassVar[str] = "dgc"
    inner: tuple[Stage, ...]
    momentum: float = 0.9
    clip_norm: float | None = None
    warmup_rounds: int = 4

    def __post_init__(self) -> None:
        check.fraction(momentum=self.momentum)
        check.whole(0, warmup_rounds=self.warmup_rounds)
        if self.clip_norm is not None:
            check.positive(clip_norm=self.clip_norm)
        if not self.inner or not isinstance(self.inner[0], TopK):
            raise ValueError("dgc needs top_k as the first of the stages behind it")
        if stage.traits(self.inner).corrected:
            raise ValueError("dgc corrects what is lost itself: leave error_feedback away")

    @property
    def traits(self) -> Traits:
        found = stage.traits(self.inner)
        return replace(
            found, unbiased=False, stateful=True, corrected=True, accelerates=self.momentum > 0
        )

    def form(self, before: Form) -> Form:
        if before != Form():
            raise ValueError(f"dgc takes all values of an update, not {before.kind}")
        return stage.forms(self.inner, before)

    def memory(self, layout: Layout) -> Memory:
        own: dict[str, NDArray[Any]] = {
            "momentum": np.zeros(layout.dim, dtype=np.float32),
            "pending": np.zeros(layout.dim, dtype=np.float32),
            "rounds": np.zeros(1, dtype=np.int64),
        }
        return {**own, **stage.memories(self.inner, layout)}

    def reshaped(self, layout: Layout) -> Layout:
        return stage.layouts(self.inner, layout)[-1]

    def forward(self, packet: Packet, memory: Memory, seed: int) -> tuple[Packet, Memory]:
        rounds = int(memory["rounds"][0])
        update = self._clipped(packet.dense())
        momentum = finite.nearest(self.momentum * memory["momentum"].astype(np.float64) + update)
        pending = finite.nearest(memory["pending"].astype(np.float64) + momentum)
        inside = {name: value for name, value in memory.items() if name not in OWN}
        stages = self._warming(rounds)
        coded, after = stage.forward(stages, replace(packet, values=pending), inside, seed)
        got = stage.backward(stages, coded, packet.layout)
        sent = got.index
        momentum[sent] = 0
        pending[sent] = finite.nearest(pending[sent].astype(np.float64) - got.numbers)
        own = {"momentum": momentum, "pending": pending, "rounds": np.array([rounds + 1])}
        return coded, {**own, **after}

    def backward(self, packet: Packet, layout: Layout) -> Packet:
        return stage.backward(self.inner, packet, layout)

    def _warming(self, rounds: int) -> tuple[Stage, ...]:
        """The stages of a client's round: in the warm-up, top_k keeps more."""
        first = self.inner[0]
        if rounds >= self.warmup_rounds or not isinstance(first, TopK):
            return self.inner
        wider = replace(first, ratio=max(first.ratio, FIRST_RATIO ** (rounds + 1)))
        return (wider, *self.inner[1:])

    def _clipped(self, update: Values) -> NDArray[Any]:
        wide = update.astype(np.float64)
        if self.clip_norm is None:
            return wide
        length = float(np.sqrt(np.square(wide).sum()))
        return wide * (self.clip_norm / length) if length > self.clip_norm else wide
