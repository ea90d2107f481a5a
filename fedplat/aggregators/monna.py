"""The mean of the rows nearest to one that is trusted."""

from dataclasses import dataclass
from typing import ClassVar

from fedplat import check
from fedplat.aggregators.geometry import Geometry, Matrix
from fedplat.aggregators.rules import lowest, require, share


@dataclass(frozen=True, slots=True)
class MoNNA:
    """Averages the n − f rows nearest to row `trusted`, which is one of them.

    Raises: ToleranceError, if n < 2f + 1, or there is no such row.
    Source: Farhadkhani et al. 2023, "Robust Collaborative Learning with Linear Gradient Overhead"
    (MoNNA), §3, nearest neighbour averaging.  arXiv:2209.10931
    """

    name: ClassVar[str] = "monna"
    num_byzantine: int
    trusted: int = 0

    def __post_init__(self) -> None:
        check.whole(0, num_byzantine=self.num_byzantine, trusted=self.trusted)

    def weights(self, geometry: Geometry, seed: int) -> Matrix:
        n, f = len(geometry), self.num_byzantine
        require(n >= 2 * f + 1, self.name, "n >= 2f + 1", n, f)
        require(n > self.trusted, self.name, f"n > trusted = {self.trusted}", n, f)
        return share(lowest(geometry.squared_distances[self.trusted], n - f), n)
