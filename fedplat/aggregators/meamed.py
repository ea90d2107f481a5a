"""The mean of every coordinate's values around its median."""

from dataclasses import dataclass
from typing import ClassVar

from fedplat import check
from fedplat.aggregators import kinds
from fedplat.aggregators.rules import Window, require


@dataclass(frozen=True, slots=True)
class MeaMed:
    """Averages, of every coordinate, the n − f values nearest to its median.

    Of two equally far windows of the sorted values the lower one counts.

    Guarantees: if n ≥ 2f + 1, f arbitrary rows can not carry a coordinate away from the others.
    Raises: ToleranceError, if n < 2f + 1.
    Source: Xie et al. 2018, "Generalized Byzantine-tolerant SGD", Definition 4.  arXiv:1802.10116
    """

    name: ClassVar[str] = "meamed"
    num_byzantine: int

    def __post_init__(self) -> None:
        check.whole(0, num_byzantine=self.num_byzantine)

    def window(self, n: int) -> Window:
        f = self.num_byzantine
        require(n >= 2 * f + 1, self.name, "n >= 2f + 1", n, f)
        return Window(kinds.NEAREST_MEDIAN, 0, n - f)
