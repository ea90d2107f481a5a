"""Rows that are too long are shortened to a norm that is given."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat import check
from fedplat.aggregators.geometry import Geometry, Matrix


@dataclass(frozen=True, slots=True)
class Clipping:
    """Shortens every row that is longer than `norm` to that norm.

    Source: static clipping, the baseline of Allouah et al. 2025 (see `arc`), who show that it does
    not keep a rule's robustness under heterogeneity.
    """

    name: ClassVar[str] = "clipping"
    norm: float

    def __post_init__(self) -> None:
        check.positive(norm=self.norm)

    def mixing(self, geometry: Geometry, seed: int) -> Matrix:
        return np.diag(shortened(geometry.norms, self.norm))


def shortened(norms: Matrix, most: float) -> Matrix:
    """By what rows of these norms are multiplied, so that none exceeds `most`.  Shapes: (n,)."""
    factors: Matrix = np.where(norms > most, most / np.where(norms > most, norms, 1), 1.0)
    return factors
