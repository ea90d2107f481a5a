"""Rate control: a number of bytes is asked for, and the chain's coarseness follows from it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch

from fedplat import check
from fedplat.codecs import frame, stage
from fedplat.codecs.chain import Chain
from fedplat.codecs.packet import Packet
from fedplat.codecs.stage import Combining, Stage, Traits, Tunable
from fedplat.errors import ConfigError
from fedplat.params import Layout
from fedplat.types import State

OCTAVE = 1024  # ticks that make a chain twice as coarse
COARSEST = 32 * OCTAVE
CLOSE_ENOUGH = 0.97  # of the target
AIM = 0.985
MOST_TRIALS = 16  # one or two once it is warm
FLATTEST = -0.1  # octaves of size for one of coarseness
LEAP = 4 * OCTAVE  # once so many trials were too large


@dataclass(frozen=True)
class Budget:
    """Makes `inner` as coarse as a frame of `target_bytes`, header included, asks for.

    The body is that of `inner`: which coarseness it was, a decoder need not know.  It is looked for
    from where the last accepted update ended, by secants, mostly in one trial, in sixteen at most.

    Guarantees: a frame takes `target_bytes` or less, and more than 97 % of it where `inner` can
    come so close in the trials; the same update, state and seed give the same bytes; state follows
    from the accepted trial alone.
    Raises: ValueError, if no stage of `inner` can be made coarser, or, from `init`, if an update of
    zeros takes more bytes already; ConfigError from `pack`, if the coarsest does.
    """

    name: ClassVar[str] = "budget"
    inner: Chain
    target_bytes: int

    def __post_init__(self) -> None:
        check.whole(frame.HEADER_BYTES + 1, target_bytes=self.target_bytes)
        if not isinstance(self.inner, Chain):
            raise ValueError("target_bytes is of one chain; give it to the routes' codecs instead")
        if self._scaled(0) is None:
            names = stage.spec(self.inner.stages) or "no stage"
            reason = f"a chain of {names} has nothing that can be made coarser; "
            raise ValueError(reason + "target_bytes needs top_k, threshold, ecsq or the like in it")

    @property
    def traits(self) -> Traits:
        return replace(self.inner.traits, stateful=True)

    def init(self, layout: Layout) -> State:
        state = self.inner.init(layout)
        zeros = Packet(layout, values=torch.zeros(layout.dim).numpy())
        least = len(self._chain(COARSEST).pack(zeros, state, 0)[0])
        if least > self._most:
            raise ValueError(self._too_small(least))
        return state.put(coarseness=torch.zeros(1, dtype=torch.int64))

    def pack(self, packet: Packet, state: State, seed: int) -> tuple[bytes, State]:
        inside = State({name: state[name] for name in state if name != "coarseness"})
        search = Search(self._most)
        best: tuple[bytes, State] | None = None
        tick: int | None = int(state["coarseness"])
        while tick is not None:
            body, after = self._chain(tick).pack(packet, inside, seed)
            if search.accepts(tick, len(body)):
                best = body, after.put(coarseness=torch.tensor([tick]))
            tick = search.following()
        if best is None:
            reason = self._too_small(min(search.sizes.values()))
            raise ConfigError(where="codec budget", reason=reason)
        return best

    def unpack(self, payload: memoryview, layout: Layout) -> Packet:
        return self.inner.unpack(payload, layout)

    @property
    def _most(self) -> int:
        return self.target_bytes - frame.HEADER_BYTES

    def _too_small(self, least: int) -> str:
        return (
            f"the coarsest that {stage.spec(self.inner.stages)} can be takes "
            f"{least + frame.HEADER_BYTES} bytes, target_bytes is {self.target_bytes}; raise it, "
            "or take a chain with fewer scales (global ones, not one a tensor)"
        )

    def _chain(self, tick: int) -> Chain:
        scaled = self._scaled(tick)
        return self.inner if scaled is None else replace(self.inner, stages=scaled)

    def _scaled(self, tick: int) -> tuple[Stage, ...] | None:
        return _coarser(self.inner.stages, power(tick))


@dataclass
class Search:
    """Looks for the tick whose size is `most` or a little less; sizes fall as ticks rise."""

    most: int
    sizes: dict[int, int] = field(default_factory=dict)

    @property
    def fits(self) -> int | None:
        """The finest tick that was not too large, and finer than none that was."""
        last = -COARSEST - 1 if self._too_large is None else self._too_large
        return min((t for t, s in self.sizes.items() if s <= self.most and t > last), default=None)

    @property
    def _too_large(self) -> int | None:
        return max((t for t, size in self.sizes.items() if size > self.most), default=None)

    def accepts(self, tick: int, size: int) -> bool:
        """Takes note of a trial; whether it is the best until now."""
        largest = max((s for s in self.sizes.values() if s <= self.most), default=-1)
        self.sizes[tick] = size
        return largest < size <= self.most

    def following(self) -> int | None:
        """The tick to try next, or None, if it is found or can not be."""
        best = max((size for size in self.sizes.values() if size <= self.most), default=None)
        tried = len(self.sizes)
        if best is not None and (best > CLOSE_ENOUGH * self.most or tried >= MOST_TRIALS):
            return None
        if best is None and tried >= MOST_TRIALS:
            last = max(self.sizes)
            return None if last == COARSEST else min(last + LEAP, COARSEST)
        tick = self._guess()
        return None if tick in self.sizes else tick

    def _guess(self) -> int:
        """Where the line through the two best trials, on logarithmic scales, meets the target."""
        wanted, low, high = log2(AIM * self.most), self._too_large, self.fits
        best, *others = sorted(self.sizes, key=lambda t: (abs(self._octaves(t) - wanted), t))
        away = OCTAVE * (wanted - self._octaves(best)) / self._slope(best, others)
        if low is not None and high is not None:
            tick = best + round(away)
            return tick if low < tick < high else (low + high) // 2
        away = math.copysign(max(abs(away), 8.0), 1.0 if high is None else -1.0)
        furthest = min(self.sizes) if low is None else max(self.sizes)
        return max(-COARSEST, min(furthest + round(away), COARSEST))

    def _slope(self, best: int, others: list[int]) -> float:
        """Octaves of size in an octave of ticks; as expected, where the trials say nothing."""
        for other in others:
            slope = OCTAVE * (self._octaves(other) - self._octaves(best)) / (other - best)
            if slope < FLATTEST:
                return slope
        return -1.0

    def _octaves(self, tick: int) -> float:
        return log2(self.sizes[tick])


def power(tick: int) -> float:
    """About 2 to the power of tick / OCTAVE, by straight lines between whole powers.

    Exact arithmetic, as in `log2`: the same on every machine, which a logarithm is not.

    >>> power(0), power(OCTAVE), power(-OCTAVE // 2)
    (1.0, 2.0, 0.75)
    """
    octave, rest = divmod(tick, OCTAVE)
    return math.ldexp(1 + rest / OCTAVE, octave)


def log2(size: float) -> float:
    """The inverse of `power`, in octaves; of nothing, as of one byte.

    >>> log2(1.0), log2(2.0), log2(0.75)
    (0.0, 1.0, -0.5)
    """
    mantissa, exponent = math.frexp(size or 1)
    return exponent + 2 * mantissa - 2


def _coarser(stages: tuple[Stage, ...], factor: float) -> tuple[Stage, ...] | None:
    """The stages with the first tunable one scaled, inside of others too; None if there is none."""
    for index, one in enumerate(stages):
        changed = _coarser_stage(one, factor)
        if changed is not None:
            return (*stages[:index], changed, *stages[index + 1 :])
    return None


def _coarser_stage(one: Stage, factor: float) -> Stage | None:
    if isinstance(one, Tunable):
        return one.scaled(factor)
    inside = _coarser(one.inner, factor) if isinstance(one, Combining) else None
    if inside is None:
        return None
    changed: Mapping[str, Any] = {"inner": inside}
    return replace(one, **changed)  # type: ignore[type-var]
