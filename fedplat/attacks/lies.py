"""What liars know of a round, and what they make of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fedplat.types import Dataset

Rows = NDArray[np.float32]
Wide = NDArray[np.float64]
Knowledge = Literal["own", "honest", "rule"]
Harm = Callable[[float], float]


class KnownRule(Protocol):
    """The coordinator's rule, for liars who can try it before they lie."""

    def __call__(self, rows: Rows) -> Rows:
        """The aggregate of all rows, honest ones first; zeros where a round would be abandoned.

        Shapes: (n, d) → (d,).
        """

    def along(self, honest: Rows, start: Wide, directions: Wide, liars: int) -> Sequence[Harm]:
        """For each direction, how far the aggregate is from the honest mean, by a factor.

        That is if all `liars` send `start` plus the factor times the direction.
        Shapes: `honest` (honest, d), `start` (d,), `directions` (directions, d).
        """


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A round as its liars see it; one liar by itself, or all of them together.

    `own` are the updates that they would have sent; `honest` those of all who do not lie, where
    their attack knows them; `aggregate` is the coordinator's rule, where it knows that.  `clients`
    take part in the round, and `lying` of these lie: as many as there are rows, unless given.
    `last` is the step that the global model made last, where the liars have seen two.
    Shapes: `own` (these liars, d), `honest` (honest, d), `last` (d,).
    Raises: ValueError, if fewer clients take part, or lie, than there are rows of them.
    """

    own: Rows
    honest: Rows
    seed: int
    clients: int = 0
    lying: int = 0
    aggregate: KnownRule | None = None
    last: Rows | None = None

    def __post_init__(self) -> None:
        if self.own.ndim != 2 or self.own.shape[1:] != self.honest.shape[1:]:
            raise ValueError(f"own {self.own.shape} and honest {self.honest.shape} differ in width")
        if self.liars < len(self.own) or self.count < self.liars + len(self.honest):
            raise ValueError(
                f"{len(self.own)} liars' and {len(self.honest)} honest updates are more than "
                f"clients = {self.clients}, lying = {self.lying} say"
            )

    @property
    def liars(self) -> int:
        """All liars of the round."""
        return self.lying or len(self.own)

    @property
    def count(self) -> int:
        """All clients of the round."""
        return self.clients or self.liars + len(self.honest)

    @property
    def crowd(self) -> Rows:
        """The honest updates; the liars' own in a round where everybody lies."""
        return self.honest if len(self.honest) else self.own

    def mean(self) -> Wide:
        """The honest updates' mean; 0 of none."""
        if not len(self.crowd):
            return np.zeros(self.own.shape[1])
        mean: Wide = self.crowd.mean(axis=0, dtype=np.float64)
        return mean

    def deviation(self) -> Wide:
        """The honest updates' standard deviation in each coordinate; 0 of none."""
        if not len(self.crowd):
            return np.zeros(self.own.shape[1])
        mean, total = self.mean(), np.zeros(self.own.shape[1])
        for row in self.crowd:  # one after another: all of them in float64 would be large
            total += (row - mean) ** 2
        deviation: Wide = np.sqrt(total / len(self.crowd))
        return deviation

    def rule(self) -> KnownRule:
        """Raises: ValueError, if these liars do not know it."""
        if self.aggregate is None:
            raise ValueError("an attack that knows the rule needs it")
        return self.aggregate

    def all_say(self, lie: Wide) -> Rows:
        """The same lie for each row of `own`.  Shapes: (d,) → (these liars, d)."""
        return np.repeat(lie.astype(np.float32)[None], len(self.own), axis=0)


@runtime_checkable
class UpdateAttack(Protocol):
    """Makes the updates that liars send in place of theirs."""

    @property
    def name(self) -> str: ...

    @property
    def knowledge(self) -> Knowledge:
        """What `craft` reads: `own` updates, the `honest` ones too, or the `rule` as well."""

    def craft(self, seen: Seen) -> Rows:
        """Shapes: (these liars, d)."""


@runtime_checkable
class DataAttack(Protocol):
    """Changes what a liar trains on.

    The training is as everyone's, and what is sent too, unless it is an `UpdateAttack` as well.
    """

    @property
    def name(self) -> str: ...

    def poison(self, dataset: Dataset, seed: int) -> Dataset: ...


@runtime_checkable
class Targeted(Protocol):
    """An attack that wants some inputs to be seen as a class of its choice."""

    def triggered(self, dataset: Dataset) -> Dataset:
        """Such inputs, made of or chosen from `dataset`, labelled as the attack wants them.

        A model's accuracy on them is the attack's success rate.
        """


@runtime_checkable
class TimingAttack(Protocol):
    """Changes when a liar answers; what it answers is as everyone's."""

    @property
    def name(self) -> str: ...

    def delay_s(self, seed: int) -> float | None:
        """Seconds by which the answer is late; None: it never comes."""


Attack = UpdateAttack | DataAttack | TimingAttack
