"""Steps from a centre towards the rows, none longer than a radius."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat import check
from fedplat.aggregators.geometry import Geometry, Matrix


@dataclass(frozen=True, slots=True)
class CenteredClipping:
    """Moves the last aggregate v by the mean of the rows' differences to it, each clipped to τ.

    v ← v + 1/n Σ (xᵢ − v)·min(1, τ / ‖xᵢ − v‖), `iterations` times, in the coefficients of rows
    and reference.  The reference row is the last aggregate; without one, v starts at 0.  `tau = 0`
    takes the median of the distances for τ, anew in each iteration: that fits updates of any size.

    Guarantees: no row moves the result by more than τ/n an iteration.
    Source: Karimireddy et al. 2021, "Learning from History for Byzantine Robust Optimization",
    §4, eq. (CC).  arXiv:2012.10333  Deviates: τ from the median is not in the paper.
    """

    name: ClassVar[str] = "centered_clipping"
    needs_reference: ClassVar[bool] = True
    tau: float = 0.0
    iterations: int = 3

    def __post_init__(self) -> None:
        check.non_negative(tau=self.tau)
        check.whole(1, iterations=self.iterations)

    def weights(self, geometry: Geometry, seed: int) -> Matrix:
        n = len(geometry)
        gram, centre = np.zeros((n + 1, n + 1)), np.zeros(n + 1)
        gram[:n, :n] = geometry.gram
        if geometry.reference is not None:
            gram[n], gram[:, n] = geometry.reference, geometry.reference
            centre[n] = 1
        bordered = Geometry(gram)
        for _ in range(self.iterations):
            distances = np.sqrt(bordered.squared_distances_to(centre)[:n])
            tau = self.tau or float(np.median(distances))
            steps = tau / np.maximum(distances, max(tau, np.finfo(np.float64).tiny)) / n
            centre *= 1 - steps.sum()
            centre[:n] += steps
        return centre if geometry.reference is not None else centre[:n]
