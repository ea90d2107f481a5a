"""The mean of every coordinate without its extremes."""

from dataclasses import dataclass
from typing import ClassVar

from fedplat import check
from fedplat.aggregators import kinds
from fedplat.aggregators.rules import Window, require


@dataclass(frozen=True, slots=True)
class TrimmedMean:
    """Averages every coordinate without its f smallest and f largest values.

    Guarantees: if n ≥ 2f + 1, f arbitrary rows can not carry a coordinate beyond the others' range;
    f = 0 is the mean of all rows, each counted once.
    Raises: ToleranceError, if n < 2f + 1.
    Source: Yin et al. 2018, "Byzantine-Robust Distributed Learning: Towards Optimal Statistical
    Rates", Definition 2, with βm = f.  arXiv:1803.01498
    """

    name: ClassVar[str] = "trimmed_mean"
    num_byzantine: int

    def __post_init__(self) -> None:
        check.whole(0, num_byzantine=self.num_byzantine)

    def window(self, n: int) -> Window:
        f = self.num_byzantine
        require(n >= 2 * f + 1, self.name, "n >= 2f + 1", n, f)
        return Window(kinds.TRIMMED, f, n - f)
