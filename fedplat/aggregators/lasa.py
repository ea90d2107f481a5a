"""LASA: rows are judged in every layer by themselves, by their large values."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedplat import check
from fedplat.aggregators.clipping import shortened
from fedplat.aggregators.geometry import Geometry, Matrix
from fedplat.aggregators.kinds import LARGE, NEGATIVE, POSITIVE

LOOKED_AT = 1 << 16
BELOW = 1 - 1e-9  # what is just at a bound is not below it, however it was rounded


@dataclass(frozen=True, slots=True)
class LASA:
    """Averages, in every layer, the rows whose large values are usual in length and in sign.

    Rows are shortened to the median norm.  Of each row only the largest values are looked at: all
    but a share of `sparsity`.  A row counts in a layer if the norm of these, and the share of them
    that is positive, are less than `norm_bound` and `sign_bound` standard deviations from the rows'
    median.  What is averaged is the whole layer; a layer in which no row passes is averaged over
    all rows.

    Guarantees: the aggregate of a layer is no longer than the median row.
    Source: Xu et al. 2025, "Achieving Byzantine-Resilient Federated Learning via Layer-Adaptive
    Sparsified Model Aggregation", WACV, Algorithm 1.  arXiv:2409.01435  Deviates: of more than
    65,536 columns that many, drawn at random, tell from which size on values are large.
    """

    name: ClassVar[str] = "lasa"
    sparsity: float = 0.3
    norm_bound: float = 2.0
    sign_bound: float = 1.0

    def __post_init__(self) -> None:
        check.fraction(sparsity=self.sparsity)
        check.positive(norm_bound=self.norm_bound, sign_bound=self.sign_bound)

    def sampled(self, dim: int) -> int:
        return min(dim, LOOKED_AT)

    def thresholds(self, sample: NDArray[np.floating]) -> Matrix:
        """From which size on a row's values are large.  Shapes: (n, columns) → (n,)."""
        dropped = int(self.sparsity * sample.shape[1])
        if not dropped:
            return np.zeros(len(sample))
        # row by row, for rows may be many
        sizes = [np.partition(np.abs(values), dropped)[dropped] for values in sample]
        return np.array(sizes)

    def weights(self, geometry: Geometry, seed: int) -> Matrix:
        """Shapes: (layers, n)."""
        if geometry.layers is None:
            raise ValueError("LASA needs to know what is large in every layer")
        known, norms = geometry.layers, geometry.norms
        shortening = shortened(norms, float(np.median(norms)))
        lengths = np.sqrt(known[:, :, LARGE]) * shortening
        positive, negative = known[:, :, POSITIVE], known[:, :, NEGATIVE]
        purity = positive / np.maximum(1, positive + negative)
        purity[positive + negative == 0] = 0.5
        passed = _usual(lengths, self.norm_bound) & _usual(purity, self.sign_bound)
        passed[~passed.any(axis=1)] = True
        weights: Matrix = passed * shortening / passed.sum(axis=1, keepdims=True)
        return weights


def _usual(values: Matrix, bound: float) -> NDArray[np.bool_]:
    """Which are within `bound` standard deviations of their layer's median; all that are equal."""
    apart = np.abs(values - np.median(values, axis=1, keepdims=True))
    spread = values.std(axis=1, keepdims=True)
    usual: NDArray[np.bool_] = (apart < BELOW * bound * spread) | (apart == 0)
    return usual
