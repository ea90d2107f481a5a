"""What befalls an asked client in a scenario: it drops out, or it answers late in virtual time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from fedplat import check, rng
from fedplat.types import ClientId


@runtime_checkable
class Delay(Protocol):
    """A distribution of delays; `fraction` of the asked clients are stragglers and draw one."""

    @property
    def fraction(self) -> float: ...

    def draw(self, generator: np.random.Generator) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """Every straggler is `delay_s` late."""

    delay_s: float
    fraction: float = 1.0

    def __post_init__(self) -> None:
        check.non_negative(delay_s=self.delay_s)
        check.in_unit_interval(fraction=self.fraction)

    def draw(self, generator: np.random.Generator) -> float:
        return self.delay_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Uniform:
    """Between `low_s` and `high_s`, all alike."""

    low_s: float = 0.0
    high_s: float
    fraction: float = 1.0

    def __post_init__(self) -> None:
        check.non_negative(low_s=self.low_s)
        check.at_least(self.low_s, high_s=self.high_s)
        check.in_unit_interval(fraction=self.fraction)

    def draw(self, generator: np.random.Generator) -> float:
        return float(generator.uniform(self.low_s, self.high_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential:
    """Memoryless, `mean_s` on average."""

    mean_s: float
    fraction: float = 1.0

    def __post_init__(self) -> None:
        check.positive(mean_s=self.mean_s)
        check.in_unit_interval(fraction=self.fraction)

    def draw(self, generator: np.random.Generator) -> float:
        return float(generator.exponential(self.mean_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNormal:
    """A long tail: half of the stragglers under `median_s`, the logarithm spread by `sigma`."""

    median_s: float
    sigma: float
    fraction: float = 1.0

    def __post_init__(self) -> None:
        check.positive(median_s=self.median_s)
        check.non_negative(sigma=self.sigma)
        check.in_unit_interval(fraction=self.fraction)

    def draw(self, generator: np.random.Generator) -> float:
        return float(generator.lognormal(np.log(self.median_s), self.sigma))


DELAYS: Mapping[str, type[Delay]] = {
    "exponential": Exponential,
    "fixed": Fixed,
    "lognormal": LogNormal,
    "uniform": Uniform,
}


@dataclass(frozen=True, slots=True)
class Fate:
    """What befalls one client in one round.  `delay_s` is virtual time on top of its work."""

    dropped: bool = False
    delay_s: float = 0.0


class Destiny(Protocol):
    """What befalls the clients that a round asks."""

    def of(self, client: ClientId, round_id: int) -> Fate: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fates:
    """Draws a fate for each asked client, from a stream of its own.

    Guarantees: a client's fate in a round does not depend on who else is asked, and changing
    `dropout` changes no delay.
    """

    PEACE: ClassVar[Fate] = Fate()

    seed: int
    dropout: float = 0.0
    stragglers: Delay | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.dropout <= 1:
            raise ValueError(f"dropout must lie in [0, 1], got {self.dropout!r}")

    def of(self, client: ClientId, round_id: int) -> Fate:
        if self.dropout == 0 and self.stragglers is None:
            return self.PEACE
        generator = rng.numpy_generator(self.seed, "fate", client, "round", round_id)
        dropped, straggles = generator.random(2)
        late = self.stragglers is not None and straggles < self.stragglers.fraction
        delay_s = self.stragglers.draw(generator) if self.stragglers and late else 0.0
        return Fate(bool(dropped < self.dropout), delay_s)
