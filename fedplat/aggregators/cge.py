"""The mean of the shortest rows."""

from dataclasses import dataclass
from typing import ClassVar

from fedplat import check
from fedplat.aggregators.geometry import Geometry, Matrix
from fedplat.aggregators.rules import lowest, require, share


@dataclass(frozen=True, slots=True)
class CGE:
    """Averages the n − f rows of the smallest norms (comparative gradient elimination).

    Raises: ToleranceError, if n < 2f + 1.
    Source: Gupta, Liu and Vaidya 2021, "Byzantine Fault-Tolerance in Decentralized Optimization
    under 2f-Redundancy", §3.  arXiv:2101.12316  Deviates: the mean, where they take the sum.
    """

    name: ClassVar[str] = "cge"
    num_byzantine: int

    def __post_init__(self) -> None:
        check.whole(0, num_byzantine=self.num_byzantine)

    def weights(self, geometry: Geometry, seed: int) -> Matrix:
        n, f = len(geometry), self.num_byzantine
        require(n >= 2 * f + 1, self.name, "n >= 2f + 1", n, f)
        return share(lowest(geometry.norms, n - f), n)
