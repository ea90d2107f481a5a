"""SignGuard: rows of a usual length whose signs are mixed as those of most rows."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedplat import check
from fedplat.aggregators.clipping import shortened
from fedplat.aggregators.geometry import Geometry, Matrix
from fedplat.aggregators.rules import require


@dataclass(frozen=True, slots=True)
class SignGuard:
    """Averages the rows that pass two filters, none of them longer than the median row.

    A row passes if its norm is from `shortest` to `longest` times the median norm, and if its
    shares of positive, zero and negative values, over a tenth of the columns, lie in the largest
    cluster of all rows' shares (mean shift).

    Raises: ToleranceError, if no row passes.
    Source: Xu et al. 2022, "Byzantine-robust Federated Learning through Collaborative Malicious
    Gradient Filtering" (SignGuard), Algorithm 2.  arXiv:2109.05872  Deviates: of more than 163,840
    columns, 16,384 are looked at.
    """

    name: ClassVar[str] = "sign_guard"
    shortest: float = 0.1
    longest: float = 3.0

    def __post_init__(self) -> None:
        check.non_negative(shortest=self.shortest)
        check.at_least(self.shortest, longest=self.longest)

    def sampled(self, dim: int) -> int:
        return min(dim, max(1, dim // 10), 1 << 14)

    def weights(self, geometry: Geometry, seed: int) -> Matrix:
        if geometry.sample is None:
            raise ValueError("SignGuard needs the columns that it asks for by `sampled`")
        n, norms = len(geometry), geometry.norms
        usual = float(np.median(norms))
        passed = (norms >= self.shortest * usual) & (norms <= self.longest * usual)
        passed &= _largest_cluster(_sign_shares(geometry.sample))
        require(bool(passed.any()), self.name, "a row that passes both filters", n, 0)
        weights: Matrix = passed * shortened(norms, usual) / passed.sum()
        return weights


def _sign_shares(sample: NDArray[np.floating]) -> Matrix:
    shares = np.empty((len(sample), 3))
    for share, values in zip(shares, sample, strict=True):  # row by row, for rows may be many
        share[:] = [(np.sign(values) == sign).mean() for sign in (1, 0, -1)]
    return shares


def _largest_cluster(features: Matrix) -> NDArray[np.bool_]:
    from sklearn.cluster import MeanShift, estimate_bandwidth  # late: a second

    width = estimate_bandwidth(features, quantile=0.5)
    if not width > 0:  # most rows have the very same shares
        labels = np.unique(features, axis=0, return_inverse=True)[1].reshape(-1)
    else:
        labels = (
            MeanShift(bandwidth=width, bin_seeding=False, cluster_all=False).fit(features).labels_
        )
    largest: NDArray[np.bool_] = labels == np.bincount(labels[labels >= 0]).argmax()
    return largest
