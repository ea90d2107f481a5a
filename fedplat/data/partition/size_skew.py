"""Shards of unequal size with equal label distributions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedplat import check, rng
from fedplat.data.partition.partitioner import Shards, check_clients, owners_in_turn, shards_of
from fedplat.errors import ConfigError
from fedplat.types import Dataset

MAX_TRIES = 1_000


@dataclass(frozen=True, slots=True)
class Linear:
    """Gives client i (from 1) a share proportional to i, of the shuffled samples.

    Raises: ConfigError, if a share rounds down to no sample.
    Source: flwr-datasets, LinearPartitioner (fractions are cut, the last client gets what is left).
    """

    def __call__(self, dataset: Dataset, num_clients: int, seed: int) -> Shards:
        check_clients(dataset, num_clients)
        shares = np.arange(1, num_clients + 1, dtype=np.float64)
        return _deal(dataset, _cut(shares, len(dataset), "linear"), seed, "linear")


@dataclass(frozen=True, slots=True)
class Exponential:
    """Gives client i (from 1) a share proportional to exp(i), of the shuffled samples.

    Raises: ConfigError, if a share rounds down to no sample.
    Source: flwr-datasets, ExponentialPartitioner (fractions are cut, the last client gets what is
    left).
    """

    def __call__(self, dataset: Dataset, num_clients: int, seed: int) -> Shards:
        check_clients(dataset, num_clients)
        shares = np.exp(np.arange(1, num_clients + 1, dtype=np.float64) - num_clients)
        return _deal(dataset, _cut(shares, len(dataset), "exponential"), seed, "exponential")


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Gives clients shares drawn from a log-normal distribution, of the shuffled samples.

    `sigma` is the deviation of the share's logarithm: 0 gives equal shares.  Shares are drawn again
    until every client has `min_partition_size` samples.

    Guarantees: a shard differs from its share by less than one sample.
    Raises: ConfigError, if the minimum is not met in 1,000 draws.
    Source: Acar et al. 2021, "Federated Learning Based on Dynamic Regularization" (its unbalanced
    split).  arXiv:2111.04263
    """

    sigma: float
    min_partition_size: int = 1

    def __post_init__(self) -> None:
        check.non_negative(sigma=self.sigma)
        check.at_least(1, min_partition_size=self.min_partition_size)

    def __call__(self, dataset: Dataset, num_clients: int, seed: int) -> Shards:
        check_clients(dataset, num_clients, self.min_partition_size)
        draws = rng.numpy_generator(seed, "partition", "lognormal", "shares")
        for _ in range(MAX_TRIES):
            logarithms = self.sigma * draws.standard_normal(num_clients)
            shares = np.exp(logarithms - logarithms.max())  # the largest share is 1: no overflow
            sizes = _largest_remainder(shares, len(dataset))
            if sizes.min() >= self.min_partition_size:
                return _deal(dataset, sizes, seed, "lognormal")
        reason = (
            f"{MAX_TRIES} draws gave some of {num_clients} clients fewer than "
            f"{self.min_partition_size} samples; lower `sigma`, `min_partition_size` or the number "
            "of clients"
        )
        raise ConfigError(where="partition.sigma", reason=reason)


def _cut(shares: NDArray[np.float64], samples: int, name: str) -> NDArray[np.int64]:
    sizes: NDArray[np.int64] = np.floor(shares / shares.sum() * samples).astype(np.int64)
    sizes[-1] += samples - sizes.sum()
    if sizes.min() < 1:
        reason = (
            f"{name} shares of {samples} samples leave client {int(sizes.argmin())} of "
            f"{len(sizes)} without a sample; lower the number of clients or take lognormal"
        )
        raise ConfigError(where="partition.name", reason=reason)
    return sizes


def _largest_remainder(shares: NDArray[np.float64], samples: int) -> NDArray[np.int64]:
    quotas = shares / shares.sum() * samples
    sizes: NDArray[np.int64] = np.floor(quotas).astype(np.int64)
    first = np.argsort(sizes - quotas, kind="stable")  # ties go to the lowest index
    sizes[first[: samples - int(sizes.sum())]] += 1
    return sizes


def _deal(dataset: Dataset, sizes: NDArray[np.int64], seed: int, name: str) -> Shards:
    order = rng.numpy_generator(seed, "partition", name).permutation(len(dataset))
    return shards_of(owners_in_turn(order, sizes), len(sizes))
