"""The median of every coordinate."""

from dataclasses import dataclass
from typing import ClassVar

from fedplat.aggregators import kinds
from fedplat.aggregators.rules import Window


@dataclass(frozen=True, slots=True)
class Median:
    """Takes the median of every coordinate; of an even number, the mean of the two in the middle.

    Guarantees: less than half of the rows, whatever they are, can not carry a coordinate beyond
    the others' range.
    Source: Yin et al. 2018, "Byzantine-Robust Distributed Learning: Towards Optimal Statistical
    Rates", Definition 1.  arXiv:1803.01498
    """

    name: ClassVar[str] = "median"

    def window(self, n: int) -> Window:
        return Window(kinds.TRIMMED, (n - 1) // 2, n // 2 + 1)
