"""Label skew by a Dirichlet distribution."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedplat import check, rng
from fedplat.data.partition.partitioner import (
    Owners,
    Shards,
    check_clients,
    labels_of,
    owners_in_turn,
    shards_of,
)
from fedplat.errors import ConfigError
from fedplat.types import Dataset

MAX_TRIES = 1_000


@dataclass(frozen=True, slots=True)
class Dirichlet:
    """Splits each class over the clients in proportions drawn from Dirichlet(`alpha`).

    Small `alpha`: a client has few classes; large: every client looks like the whole.  A tuple
    gives each client its own concentration.  `self_balancing` gives a client that already has
    more than the average number of samples nothing of the classes that follow.  Proportions are
    drawn again until every client has `min_partition_size` samples; 0 allows empty shards.

    Raises: ConfigError, if the minimum is not met in 1,000 draws.
    Source: Yurochkin et al. 2019, "Bayesian Nonparametric Federated Learning of Neural Networks",
    §4 (arXiv:1905.12022); flwr-datasets, DirichletPartitioner.  Deviates: a class's samples are
    shuffled before they are split, and 1,000 draws are tried instead of 10.
    """

    alpha: float | tuple[float, ...]
    min_partition_size: int = 10
    self_balancing: bool = False

    def __post_init__(self) -> None:
        for alpha in self.alpha if isinstance(self.alpha, tuple) else (self.alpha,):
            check.positive(alpha=alpha)
        check.non_negative(min_partition_size=self.min_partition_size)

    def __call__(self, dataset: Dataset, num_clients: int, seed: int) -> Shards:
        check_clients(dataset, num_clients, self.min_partition_size)
        labels = labels_of(dataset, "dirichlet")
        class_sizes = np.bincount(labels)
        generator = rng.numpy_generator(seed, "partition", "dirichlet")
        counts = self._counts(class_sizes, self._alphas(num_clients), generator)
        return shards_of(_owners(labels, counts, generator), num_clients)

    def _alphas(self, num_clients: int) -> NDArray[np.float64]:
        alphas = np.atleast_1d(np.asarray(self.alpha, dtype=np.float64))
        if isinstance(self.alpha, tuple) and len(alphas) != num_clients:
            reason = f"{len(alphas)} values for {num_clients} clients; give one each, or a number"
            raise ConfigError(where="partition.alpha", reason=reason)
        return np.broadcast_to(alphas, (num_clients,))

    def _counts(
        self,
        class_sizes: NDArray[np.int64],
        alphas: NDArray[np.float64],
        generator: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Draws how many samples of each class (row) each client (column) gets."""
        for _ in range(MAX_TRIES):
            counts = self._draw(class_sizes, alphas, generator)
            if counts is not None and counts.sum(axis=0).min() >= self.min_partition_size:
                return counts
        reason = (
            f"{MAX_TRIES} draws gave some of {len(alphas)} clients fewer than "
            f"{self.min_partition_size} samples; raise `alpha`, or lower `min_partition_size` or "
            "the number of clients"
        )
        raise ConfigError(where="partition.alpha", reason=reason)

    def _draw(
        self,
        class_sizes: NDArray[np.int64],
        alphas: NDArray[np.float64],
        generator: np.random.Generator,
    ) -> NDArray[np.int64] | None:
        """One draw, or None where the proportions have no mass on a client that may get more."""
        counts = np.zeros((len(class_sizes), len(alphas)), dtype=np.int64)
        average = class_sizes.sum() / len(alphas)
        for k, size in enumerate(class_sizes):
            proportions = generator.dirichlet(alphas)
            if self.self_balancing:
                proportions[counts.sum(axis=0) > average] = 0.0
            total = proportions.sum()
            if not (np.isfinite(total) and total > 0):
                return None
            bounds = (np.cumsum(proportions / total)[:-1] * size).astype(np.int64)
            bounds = np.minimum(bounds, size)
            counts[k] = np.diff(bounds, prepend=0, append=size)
        return counts


def _owners(
    labels: NDArray[np.int64], counts: NDArray[np.int64], generator: np.random.Generator
) -> Owners:
    owners = np.full(len(labels), -1, dtype=np.int64)
    for k, row in enumerate(counts):
        members = np.flatnonzero(labels == k)
        owners[members] = owners_in_turn(generator.permutation(len(members)), row)
    return owners
