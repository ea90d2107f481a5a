"""What a robust rule is made of: stages that mix rows, and one that makes an aggregate of them."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fedplat.aggregators.geometry import Geometry, Matrix
from fedplat.errors import ToleranceError


@dataclass(frozen=True, slots=True)
class Window:
    """Which of a column's sorted values are averaged: `kind` is one of `column_kernel`'s.

    `start` and `stop` are places for the kinds that average places, and `stop - start` is how many
    values nearest to a centre are, for the others.
    """

    kind: int
    start: int
    stop: int


@runtime_checkable
class MixingRule(Protocol):
    """Makes rows of rows, by their geometry: what other rules call a pre-aggregator."""

    @property
    def name(self) -> str: ...

    def mixing(self, geometry: Geometry, seed: int) -> Matrix:
        """Each new row as weights of the old ones.  Shapes: (m, n).

        Raises: ToleranceError, if n does not allow what the rule promises.
        """


@runtime_checkable
class GramRule(Protocol):
    """Weighs rows by their geometry alone; the aggregate is their sum by these weights."""

    @property
    def name(self) -> str: ...

    def weights(self, geometry: Geometry, seed: int) -> Matrix:
        """Shapes: (n,), or (n + 1,) where the geometry has a reference row, whose is the last.

        Raises: ToleranceError, if n does not allow what the rule promises.
        """


@runtime_checkable
class SamplingRule(GramRule, Protocol):
    """A rule that looks at some of the rows' columns as well, drawn at random."""

    def sampled(self, dim: int) -> int:
        """How many of `dim` columns it asks for."""


@runtime_checkable
class LayerwiseRule(SamplingRule, Protocol):
    """A rule that weighs rows anew in every layer; `weights` are (layers, n)."""

    def thresholds(self, sample: NDArray[np.floating]) -> Matrix:
        """The size from which on a row's values count, by some of its columns.

        Shapes: (n, columns) → (n,).
        """


@runtime_checkable
class NoisyRule(GramRule, Protocol):
    """A rule that adds noise to the aggregate."""

    def noise_std(self, geometry: Geometry) -> float:
        """The standard deviation of the noise in every coordinate."""


@runtime_checkable
class ColumnwiseRule(Protocol):
    """Looks at each column of all rows by itself."""

    @property
    def name(self) -> str: ...

    def window(self, n: int) -> Window:
        """Raises: ToleranceError, if `n` rows do not allow what the rule promises."""


Rule = MixingRule | GramRule | ColumnwiseRule


def require(holds: bool, rule: str, requires: str, n: int, f: int) -> None:
    """Raises: ToleranceError, unless the condition holds."""
    if not holds:
        raise ToleranceError(rule=rule, requires=requires, n=n, f=f)


def share(chosen: NDArray[np.integer], n: int) -> Matrix:
    """Equal weights that sum to 1 for the rows that are chosen, 0 for the others.  Shapes: (n,)."""
    weights = np.zeros(n)
    weights[chosen] = 1 / len(chosen)
    return weights


def lowest(scores: Matrix, count: int) -> NDArray[np.intp]:
    """The places of the `count` lowest scores, of equal ones the first."""
    return np.argsort(scores, kind="stable")[:count]
