"""FLAME: the majority that points one way, shortened to the median norm, and noise."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedplat import check
from fedplat.aggregators.clipping import shortened
from fedplat.aggregators.geometry import Geometry, Matrix


@dataclass(frozen=True, slots=True)
class FLAME:
    """Averages the rows of the closest majority by direction, none longer than the median row.

    Directions are compared by cosines.  The majority is what HDBSCAN finds that is asked for
    clusters of more than half of the rows: of the single-linkage clusters the first with so many.
    Normal noise is added, of `noise` times the median norm as its standard deviation: it takes away
    what is left of a backdoor.

    Guarantees: but for the noise, the aggregate is no longer than the median row; a minority whose
    directions are further from all others than these are linked has no say.
    Source: Nguyen et al. 2022, "FLAME: Taming Backdoors in Federated Learning", USENIX Security,
    Algorithm 1.  arXiv:2101.02281  Deviates: cosines are those of updates, not of models.
    """

    name: ClassVar[str] = "flame"
    noise: float = 0.001

    def __post_init__(self) -> None:
        check.non_negative(noise=self.noise)

    def weights(self, geometry: Geometry, seed: int) -> Matrix:
        chosen = majority(cosine_distances(geometry), len(geometry) // 2 + 1)
        weights: Matrix = chosen * shortened(geometry.norms, _usual(geometry)) / chosen.sum()
        return weights

    def noise_std(self, geometry: Geometry) -> float:
        """The standard deviation of the noise in every coordinate."""
        return self.noise * _usual(geometry)


def _usual(geometry: Geometry) -> float:
    return float(np.median(geometry.norms))


def cosine_distances(geometry: Geometry) -> Matrix:
    """1 − cos of the angle between two rows, and 1 to a row of zeros.  Shapes: (n, n)."""
    norms = geometry.norms
    lengths = norms[:, None] * norms[None, :]
    cosines = np.where(lengths > 0, geometry.gram / np.where(lengths > 0, lengths, 1), 0)
    distances: Matrix = 1 - np.clip(cosines, -1, 1)
    np.fill_diagonal(distances, 0)
    return distances


def majority(distances: Matrix, size: int) -> NDArray[np.bool_]:
    """The first cluster of at least `size` rows, as those that are closest are joined first.

    Guarantees: if `size` is more than half of the rows, it is the one cluster that HDBSCAN finds
    with `min_cluster_size = size`, `min_samples = 1` and `allow_single_cluster`.
    Shapes: `distances` (n, n) → (n,).
    """
    levels = np.unique(distances)
    low, high = 0, len(levels) - 1
    while low < high:  # the lowest level at which so many are joined
        middle = (low + high) // 2
        if _largest_cluster(distances <= levels[middle]).sum() >= size:
            high = middle
        else:
            low = middle + 1
    return _largest_cluster(distances <= levels[low])


def _largest_cluster(joined: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which rows a chain of joined ones connects, at most; of equally many the first."""
    largest = left = np.ones(len(joined), dtype=bool)
    largest = ~left
    while left.sum() > largest.sum():
        cluster = fresh = np.zeros(len(joined), dtype=bool)
        fresh[int(np.argmax(left))] = True
        while fresh.any():
            cluster = cluster | fresh
            fresh = joined[fresh].any(axis=0) & ~cluster
        left = left & ~cluster
        largest = cluster if cluster.sum() > largest.sum() else largest
    return largest
