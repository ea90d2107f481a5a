"""A filter along the directions in which the rows differ most."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat import check
from fedplat.aggregators.geometry import Geometry, Matrix
from fedplat.aggregators.rules import require


@dataclass(frozen=True, slots=True)
class CAF:
    """Weighs rows down along the direction of their largest variance, until f or more are gone.

    Of all the weighted means on the way, that of the smallest largest variance is taken.  A row's
    weight falls by its square along the direction over the largest such square of any row that has
    a weight still: so each step takes at least one row's.

    Raises: ToleranceError, if n < 2f + 1.
    Source: Allouah et al. 2025, "Towards Trustworthy Federated Learning with Untrusted
    Participants", Algorithm 2 (CAF).  arXiv:2505.01874  Deviates: rows without weight have no
    say in the largest square; one far out would let the others' weights fall by next to nothing.
    """

    name: ClassVar[str] = "caf"
    num_byzantine: int

    def __post_init__(self) -> None:
        check.whole(0, num_byzantine=self.num_byzantine)

    def weights(self, geometry: Geometry, seed: int) -> Matrix:
        n, f = len(geometry), self.num_byzantine
        require(n >= 2 * f + 1, self.name, "n >= 2f + 1", n, f)
        kept, best, least = np.ones(n), np.full(n, 1 / n), np.inf
        while kept.sum() > n - 2 * f and kept.any():
            shares = kept / kept.sum()
            variance, projections = _widest(geometry.gram, shares)
            if variance < least:
                best, least = shares, variance
            most = projections[kept > 0].max()
            if most <= 0:
                break
            kept = kept * np.maximum(0, 1 - projections / most)
        return best


def _widest(gram: Matrix, shares: Matrix) -> tuple[float, Matrix]:
    """The rows' largest variance under these weights, and their squares along its direction."""
    means = gram @ shares
    centred = gram - means[:, None] - means[None, :] + shares @ means
    roots = np.sqrt(shares)
    values, vectors = np.linalg.eigh(roots[:, None] * centred * roots[None, :])
    variance = max(0.0, float(values[-1]))
    if variance == 0:
        return 0.0, np.zeros(len(gram))
    projections: Matrix = centred @ (roots * vectors[:, -1])
    return variance, projections**2 / variance
