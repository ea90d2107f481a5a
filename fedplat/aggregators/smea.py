"""The mean of the n − f rows with the least variance in any direction."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat import check
from fedplat.aggregators.geometry import Geometry, Matrix
from fedplat.aggregators.rules import share
from fedplat.aggregators.subsets import Sets, least


@dataclass(frozen=True, slots=True)
class SMEA:
    """Averages the n − f rows whose covariance has the smallest largest eigenvalue.

    Tries all sets; of equal ones the first in lexical order counts.

    Raises: ToleranceError, if n < 2f + 1, or there are more than 10⁶ sets.
    Source: Allouah et al. 2023, "On the Privacy-Robustness-Utility Trilemma in Distributed
    Learning", §4, smallest maximum eigenvalue averaging.  arXiv:2302.04787
    """

    name: ClassVar[str] = "smea"
    lists_sets: ClassVar[bool] = True
    num_byzantine: int

    def __post_init__(self) -> None:
        check.whole(0, num_byzantine=self.num_byzantine)

    def weights(self, geometry: Geometry, seed: int) -> Matrix:
        n, f = len(geometry), self.num_byzantine
        gram = geometry.gram

        def variances(sets: Sets) -> Matrix:
            among = gram[sets[:, :, None], sets[:, None, :]]
            means = among.mean(axis=2, keepdims=True)
            centred = among - means - means.transpose(0, 2, 1) + means.mean(axis=1, keepdims=True)
            found: Matrix = np.linalg.eigvalsh(centred)[:, -1]
            return found

        return share(least(self.name, n, f, variances), n)
