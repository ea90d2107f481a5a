"""The plain mean, where it is the last part of a chain."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat.aggregators.geometry import Geometry, Matrix


@dataclass(frozen=True, slots=True)
class Average:
    """Averages the rows, each with the same weight: behind stages that have tamed them.

    Guarantees: nothing by itself; one row carries it anywhere.
    """

    name: ClassVar[str] = "mean"

    def weights(self, geometry: Geometry, seed: int) -> Matrix:
        n = len(geometry)
        return np.full(n, 1 / n)
