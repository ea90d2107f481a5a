"""The mean of every coordinate's values around its trimmed mean."""

from dataclasses import dataclass
from typing import ClassVar

from fedplat import check
from fedplat.aggregators import kinds
from fedplat.aggregators.rules import Window, require


@dataclass(frozen=True, slots=True)
class Phocas:
    """Averages, of every coordinate, the n − f values nearest to its trimmed mean.

    Guarantees: if n ≥ 2f + 1, f arbitrary rows can not carry a coordinate away from the others.
    Raises: ToleranceError, if n < 2f + 1.
    Source: Xie et al. 2018, "Phocas: dimensional Byzantine-resilient stochastic gradient descent",
    Definition 7.  arXiv:1805.09682
    """

    name: ClassVar[str] = "phocas"
    num_byzantine: int

    def __post_init__(self) -> None:
        check.whole(0, num_byzantine=self.num_byzantine)

    def window(self, n: int) -> Window:
        f = self.num_byzantine
        require(n >= 2 * f + 1, self.name, "n >= 2f + 1", n, f)
        return Window(kinds.NEAREST_TRIMMED, f, n)
