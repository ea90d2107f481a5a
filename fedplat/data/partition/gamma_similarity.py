"""Label skew between none and one block of classes a client."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedplat import rng
from fedplat.data.partition.partitioner import (
    Shards,
    check_clients,
    labels_of,
    shards_of,
)
from fedplat.types import Dataset


@dataclass(frozen=True, slots=True)
class GammaSimilarity:
    """Deals out a fraction `gamma` of the shuffled samples as they come, the others by class.

    The others are sorted by class and given out in order: the first client has the first classes.
    `gamma = 1` is the homogeneous split; with `gamma = 0` as many clients as classes of equal size
    have one class each.

    Guarantees: shard sizes differ by at most one, and so do the clients' parts of the fraction.
    Source: ByzFL 0.0.11, DataDistributor, "gamma_similarity_niid" (the heterogeneity of Allouah et
    al. 2023, "Fixing by Mixing", §6; arXiv:2302.01772).  Deviates: the fraction is of samples drawn
    at random, whatever their order; sizes differ by at most one also where neither part comes out
    even.
    """

    gamma: float

    def __post_init__(self) -> None:
        if not 0 <= self.gamma <= 1:
            raise ValueError(f"gamma must lie in [0, 1], got {self.gamma!r}")

    def __call__(self, dataset: Dataset, num_clients: int, seed: int) -> Shards:
        check_clients(dataset, num_clients)
        labels = labels_of(dataset, "gamma_similarity")
        order = rng.numpy_generator(seed, "partition", "gamma_similarity").permutation(len(labels))
        alike = int(self.gamma * len(labels))
        rest = order[alike:][np.argsort(labels[order[alike:]], kind="stable")]
        parts, sizes = _even(alike, num_clients), _even(len(labels), num_clients)
        owners = np.full(len(labels), -1, dtype=np.int64)
        owners[order[:alike]] = np.repeat(np.arange(num_clients), parts)
        owners[rest] = np.repeat(np.arange(num_clients), sizes - parts)
        return shards_of(owners, num_clients)


def _even(samples: int, num_clients: int) -> NDArray[np.int64]:
    """Sizes that differ by at most one; none falls when `samples` grow."""
    small, more = divmod(samples, num_clients)
    return np.full(num_clients, small, dtype=np.int64) + (np.arange(num_clients) < more)
