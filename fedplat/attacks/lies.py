"""What liars know of a round, and what they make of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fedplat.types import Dataset

Rows = NDArray[np.float32]
Wide = NDArray[np.float64]
Knowledge = Literal["own", "honest", "rule"]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A round as its liars see it.  They work together.

    `own` are the updates that they would have sent; `honest` those of all others, where their
    attack knows them; `aggregate` makes the coordinator's aggregate of all rows, honest ones first,
    where it knows the rule.
    Shapes: `own` (liars, d), `honest` (honest, d).
    """

    own: Rows
    honest: Rows
    seed: int
    aggregate: Callable[[Rows], Rows] | None = None

    @property
    def liars(self) -> int:
        return len(self.own)

    @property
    def count(self) -> int:
        """All clients of the round."""
        return len(self.own) + len(self.honest)

    def mean(self) -> Wide:
        """The honest updates' mean."""
        mean: Wide = self.honest.mean(axis=0, dtype=np.float64)
        return mean

    def deviation(self) -> Wide:
        """The honest updates' standard deviation in each coordinate."""
        deviation: Wide = self.honest.astype(np.float64).std(axis=0)
        return deviation

    def all_say(self, lie: Wide) -> Rows:
        """The same lie for every liar.  Shapes: (d,) → (liars, d)."""
        return np.repeat(lie.astype(np.float32)[None], self.liars, axis=0)


@runtime_checkable
class UpdateAttack(Protocol):
    """Makes the updates that liars send in place of theirs."""

    @property
    def name(self) -> str: ...

    @property
    def knowledge(self) -> Knowledge:
        """What `craft` reads: `own` updates, the `honest` ones too, or the `rule` as well."""

    def craft(self, seen: Seen) -> Rows:
        """Shapes: (liars, d)."""


@runtime_checkable
class DataAttack(Protocol):
    """Changes what a liar trains on; the training, and what is sent, are as everyone's."""

    @property
    def name(self) -> str: ...

    def poison(self, dataset: Dataset, seed: int) -> Dataset: ...
