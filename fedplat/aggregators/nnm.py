"""Every row becomes the mean of its nearest neighbours."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat import check
from fedplat.aggregators.geometry import Geometry, Matrix
from fedplat.aggregators.rules import require


@dataclass(frozen=True, slots=True)
class NNM:
    """Replaces every row by the mean of the n − f rows nearest to it, itself among them.

    Guarantees: makes an (f, κ)-robust rule (f, 8f/(n − f)·(κ + 1))-robust.
    Raises: ToleranceError, if n < 2f + 1.
    Source: Allouah et al. 2023, "Fixing by Mixing: A Recipe for Optimal Byzantine ML under
    Heterogeneity", Algorithm 2.  arXiv:2302.01772
    """

    name: ClassVar[str] = "nnm"
    num_byzantine: int

    def __post_init__(self) -> None:
        check.whole(0, num_byzantine=self.num_byzantine)

    def mixing(self, geometry: Geometry, seed: int) -> Matrix:
        n, f = len(geometry), self.num_byzantine
        require(n >= 2 * f + 1, self.name, "n >= 2f + 1", n, f)
        nearest = np.argsort(geometry.squared_distances, axis=1, kind="stable")[:, : n - f]
        mixing = np.zeros((n, n))
        np.put_along_axis(mixing, nearest, 1 / (n - f), axis=1)
        return mixing
