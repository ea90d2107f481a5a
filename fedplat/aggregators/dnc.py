"""Divide and conquer: rows that stand out along the direction of most variance are dropped."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat import check
from fedplat.aggregators.geometry import Geometry, Matrix
from fedplat.aggregators.rules import lowest, require, share


@dataclass(frozen=True, slots=True)
class DnC:
    """Averages the rows that no iteration drops.

    Each of `iterations` looks at `coordinates` columns of its own, drawn at random, and drops the
    `filter`·f rows (rounded up) whose squares along the top right singular vector are largest.

    Raises: ToleranceError, if n < 2f + 1 or all rows are dropped.
    Source: Shejwalkar and Houmansadr 2021, "Manipulating the Byzantine: Optimizing Model Poisoning
    Attacks and Defenses for Federated Learning", Algorithm 2.
    """

    name: ClassVar[str] = "dnc"
    num_byzantine: int
    iterations: int = 5
    coordinates: int = 1000
    filter: float = 1.0

    def __post_init__(self) -> None:
        check.whole(0, num_byzantine=self.num_byzantine)
        check.whole(1, iterations=self.iterations, coordinates=self.coordinates)
        check.positive(filter=self.filter)

    def sampled(self, dim: int) -> int:
        return min(dim, self.coordinates) * self.iterations

    def weights(self, geometry: Geometry, seed: int) -> Matrix:
        n, f = len(geometry), self.num_byzantine
        require(n >= 2 * f + 1, self.name, "n >= 2f + 1", n, f)
        if geometry.sample is None:
            raise ValueError("DnC needs the columns that it asks for by `sampled`")
        kept = np.ones(n, dtype=bool)
        dropped = min(n, int(np.ceil(self.filter * f)))
        for part in np.array_split(geometry.sample, self.iterations, axis=1):
            centred = part - part.mean(axis=0)
            direction = np.linalg.svd(centred, full_matrices=False)[2][:1]
            along = (centred @ direction.T).sum(axis=1) ** 2
            among = np.zeros(n, dtype=bool)
            among[lowest(along, n - dropped)] = True
            kept &= among
        require(bool(kept.any()), self.name, "a row that no iteration drops", n, f)
        return share(np.flatnonzero(kept), n)
