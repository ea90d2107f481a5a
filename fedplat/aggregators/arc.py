"""The longest rows are shortened to the longest of the others."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat import check
from fedplat.aggregators.clipping import shortened
from fedplat.aggregators.geometry import Geometry, Matrix
from fedplat.aggregators.rules import require


@dataclass(frozen=True, slots=True)
class ARC:
    """Shortens the k = ⌊2f/n·(n − f)⌋ longest rows to the norm of the longest of the others.

    Guarantees: keeps an (f, κ)-robust rule (f, κ + 2f/(n − 2f))-robust.
    Raises: ToleranceError, if n < 2f + 1.
    Source: Allouah et al. 2025, "Adaptive Gradient Clipping for Robust Federated Learning",
    Algorithm 2.  arXiv:2405.14432
    """

    name: ClassVar[str] = "arc"
    num_byzantine: int

    def __post_init__(self) -> None:
        check.whole(0, num_byzantine=self.num_byzantine)

    def mixing(self, geometry: Geometry, seed: int) -> Matrix:
        n, f = len(geometry), self.num_byzantine
        require(n >= 2 * f + 1, self.name, "n >= 2f + 1", n, f)
        clipped = 2 * f * (n - f) // n
        ascending = np.sort(geometry.norms)
        return np.diag(shortened(geometry.norms, float(ascending[n - 1 - clipped])))
