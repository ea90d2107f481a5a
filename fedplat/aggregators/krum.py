"""Krum and Multi-Krum: the updates that lie closest to their neighbours."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat import check
from fedplat.aggregators.geometry import Geometry, Matrix
from fedplat.aggregators.rules import lowest, require, share


@dataclass(frozen=True, slots=True)
class Krum:
    """Averages the `num_selected` updates that lie closest to their n − f − 2 nearest neighbours.

    Closeness is the sum of the squared distances.  `num_selected = 0` selects n − f (Multi-Krum).
    Of equal scores the first rows count, which is those of the lowest ClientIds.

    Guarantees: if n ≥ 2f + 3, f arbitrary rows can not carry the result away from the honest ones.
    Raises: ToleranceError, if n < 2f + 3 or there are fewer rows than are selected.
    Source: Blanchard et al. 2017, "Machine Learning with Adversaries: Byzantine Tolerant Gradient
    Descent", §4 (Krum) and §6 (Multi-Krum).  arXiv:1703.02757
    """

    name: ClassVar[str] = "krum"
    num_byzantine: int
    num_selected: int = 1

    def __post_init__(self) -> None:
        check.whole(0, num_byzantine=self.num_byzantine, num_selected=self.num_selected)

    def weights(self, geometry: Geometry, seed: int) -> Matrix:
        n, f = len(geometry), self.num_byzantine
        selected = self.num_selected or n - f
        require(n >= 2 * f + 3, self.name, "n >= 2f + 3", n, f)
        require(n >= selected, self.name, f"n >= num_selected = {selected}", n, f)
        return share(lowest(scores(geometry.squared_distances, n - f - 2), selected), n)


def multi_krum(num_byzantine: int, num_selected: int = 0) -> Krum:
    """Krum that selects n − f updates unless told how many."""
    return Krum(num_byzantine, num_selected)


def scores(squared_distances: Matrix, neighbours: int) -> Matrix:
    """The sum of each row's squared distances to its nearest others.  Shapes: (n, n) → (n,)."""
    nearest: Matrix = np.sort(squared_distances, axis=1)[:, 1 : 1 + neighbours]  # 0 is itself
    sums: Matrix = nearest.sum(axis=1)
    return sums
