"""The mean of the n − f rows that lie closest together."""

from dataclasses import dataclass
from typing import ClassVar

from fedplat import check
from fedplat.aggregators.geometry import Geometry, Matrix
from fedplat.aggregators.rules import share
from fedplat.aggregators.subsets import Sets, least


@dataclass(frozen=True, slots=True)
class MDA:
    """Averages the n − f rows whose largest distance to one another is least.

    Tries all sets; of equal ones the first in lexical order counts.

    Raises: ToleranceError, if n < 2f + 1, or there are more than 10⁶ sets.
    Source: El Mhamdi et al. 2020, "Genuinely Distributed Byzantine Machine Learning",
    minimum-diameter averaging; Rousseeuw 1985 (the idea).  arXiv:1905.03853
    """

    name: ClassVar[str] = "mda"
    lists_sets: ClassVar[bool] = True
    num_byzantine: int

    def __post_init__(self) -> None:
        check.whole(0, num_byzantine=self.num_byzantine)

    def weights(self, geometry: Geometry, seed: int) -> Matrix:
        n, f = len(geometry), self.num_byzantine
        distances = geometry.squared_distances

        def diameters(sets: Sets) -> Matrix:
            found: Matrix = distances[sets[:, :, None], sets[:, None, :]].max(
                axis=(1, 2), initial=0
            )
            return found

        return share(least(self.name, n, f, diameters), n)
