"""The point with the least sum of distances to all rows."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat import check
from fedplat.aggregators.geometry import Geometry, Matrix
from fedplat.aggregators.rules import share


@dataclass(frozen=True, slots=True)
class GeometricMedian:
    """Finds the point with the least sum of (smoothed) distances to the rows, by Weiszfeld's steps.

    Each step weighs row i with 1 / max(ν, its distance), ν = `smoothing`.  The steps are taken in
    the rows' coefficients, so each costs n² and not n·d; they end when no weight changes by more
    than `tolerance`, or after `iterations`.

    Guarantees: less than half of the rows can not carry the result arbitrarily far.
    Source: Pillutla et al. 2022, "Robust Aggregation for Federated Learning" (RFA), Algorithm 2.
    arXiv:1912.13445  Deviates: rows count once each, whatever their clients' sample counts.
    """

    name: ClassVar[str] = "geometric_median"
    smoothing: float = 1e-6
    iterations: int = 200
    tolerance: float = 1e-10

    def __post_init__(self) -> None:
        check.positive(smoothing=self.smoothing)
        check.whole(1, iterations=self.iterations)
        check.non_negative(tolerance=self.tolerance)

    def weights(self, geometry: Geometry, seed: int) -> Matrix:
        weights = share(np.arange(len(geometry)), len(geometry))
        for _ in range(self.iterations):
            distances = np.sqrt(geometry.squared_distances_to(weights))
            following = 1 / np.maximum(distances, self.smoothing)
            following /= following.sum()
            settled = np.abs(following - weights).max() <= self.tolerance
            weights = following
            if settled:
                break
        return weights
