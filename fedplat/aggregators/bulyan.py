"""Bulyan: rows that Krum selects one after another, then a mean around the median."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat import check
from fedplat.aggregators import kinds
from fedplat.aggregators.geometry import Geometry, Matrix
from fedplat.aggregators.krum import scores
from fedplat.aggregators.rules import Window, require


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects n − 2f rows: Krum's, then Krum's of what is left, and so on.

    Raises: ToleranceError, if n < 4f + 3.
    Source: El Mhamdi et al. 2018, "The Hidden Vulnerability of Distributed Learning in Byzantium",
    §4, step 1.  arXiv:1802.07927
    """

    name: ClassVar[str] = "bulyan"
    num_byzantine: int

    def __post_init__(self) -> None:
        check.whole(0, num_byzantine=self.num_byzantine)

    def mixing(self, geometry: Geometry, seed: int) -> Matrix:
        n, f = len(geometry), self.num_byzantine
        require(n >= 4 * f + 3, self.name, "n >= 4f + 3", n, f)
        distances, left = geometry.squared_distances, list(range(n))
        mixing = np.zeros((n - 2 * f, n))
        for one in mixing:
            among = distances[np.ix_(left, left)]
            one[left.pop(int(np.argmin(scores(among, max(0, len(left) - f - 2)))))] = 1
        return mixing


@dataclass(frozen=True, slots=True)
class Closest:
    """Averages, of every coordinate, the values nearest to the median: all but 2f of the selected.

    Source: El Mhamdi et al. 2018, as `Selection`, step 2.
    """

    name: ClassVar[str] = "bulyan"
    num_byzantine: int

    def window(self, n: int) -> Window:
        f = self.num_byzantine
        require(n >= 2 * f + 1, self.name, "n >= 4f + 3", n + 2 * f, f)
        return Window(kinds.NEAREST_MEDIAN, 0, n - 2 * f)


def bulyan(num_byzantine: int) -> tuple[Selection, Closest]:
    """Averages, of every coordinate, the n − 4f of n − 2f selected values nearest to their median.

    Guarantees: if n ≥ 4f + 3, every coordinate stays within the honest ones' spread.
    Raises: ToleranceError, if n < 4f + 3.
    Source: El Mhamdi et al. 2018, "The Hidden Vulnerability of Distributed Learning in Byzantium",
    §4.  arXiv:1802.07927
    """
    return Selection(num_byzantine), Closest(num_byzantine)
