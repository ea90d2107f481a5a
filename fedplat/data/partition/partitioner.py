"""What every partitioner promises, and the pieces that they share."""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32, Int64
from numpy.typing import NDArray
from torch import Tensor

from fedplat.errors import ConfigError
from fedplat.types import Dataset

Shards = tuple[Int64[Tensor, " samples"], ...]
Owners = NDArray[np.int64]


@runtime_checkable
class Partitioner(Protocol):
    """Gives every sample of a data set to one of `num_clients` clients.

    Guarantees: every sample in exactly one shard; each shard ascending; a function of the data, the
    parameters and `seed` alone.
    Raises: ConfigError, if the data can not be split so, with the reason and what to change.
    """

    def __call__(self, dataset: Dataset, num_clients: int, seed: int) -> Shards: ...


@runtime_checkable
class FeatureSkew(Partitioner, Protocol):
    """A partitioner that also makes clients' inputs look different."""

    def transform(
        self, inputs: Float32[Tensor, "samples *features"], client: int, num_clients: int, seed: int
    ) -> Float32[Tensor, "samples *features"]:
        """The inputs as the client with this index sees them."""


def shards_of(owners: Owners, num_clients: int) -> Shards:
    """Turns the owner of each sample into each client's samples, ascending.

    Every sample has one owner, so it stands in exactly one shard: partitioners only choose owners.
    Raises: ValueError, if an owner is no client.
    """
    sizes = np.bincount(owners, minlength=num_clients)
    if len(sizes) != num_clients:
        raise ValueError(f"owner {len(sizes) - 1} is none of {num_clients} clients")
    order = torch.from_numpy(np.argsort(owners, kind="stable"))
    return torch.split(order, sizes.tolist())


def owners_in_turn(order: NDArray[np.int64], sizes: NDArray[np.int64]) -> Owners:
    """Gives the first `sizes[0]` samples of `order` to client 0, the next ones to client 1 …"""
    owners = np.full(len(order), -1, dtype=np.int64)
    owners[order] = np.repeat(np.arange(len(sizes)), sizes)
    return owners


def check_clients(dataset: Dataset, num_clients: int, minimum: int = 1) -> None:
    """Raises: ConfigError, if there are no clients, or too few samples for `minimum` each."""
    if num_clients < 1:
        raise ConfigError(where="clients.count", reason=f"must be >= 1, got {num_clients}")
    if num_clients > len(dataset):
        reason = f"{num_clients} clients but {len(dataset)} training samples; lower the count"
        raise ConfigError(where="clients.count", reason=reason)
    if num_clients * minimum > len(dataset):
        reason = (
            f"{num_clients} clients with at least {minimum} samples each need "
            f"{num_clients * minimum} training samples, there are {len(dataset)}; lower "
            "`min_partition_size` or the number of clients"
        )
        raise ConfigError(where="partition.min_partition_size", reason=reason)


def labels_of(dataset: Dataset, name: str) -> NDArray[np.int64]:
    """The class index of each sample.

    Raises: ConfigError, if the data has no classes, or a class has no sample for any client.
    """
    if dataset.task != "classification":
        reason = (
            f'{name} splits by class, a regression has none; use "iid", "linear" or "lognormal"'
        )
        raise ConfigError(where="partition.name", reason=reason)
    check_classes(dataset)
    labels: NDArray[np.int64] = dataset.targets.numpy()
    return labels


def check_classes(dataset: Dataset) -> None:
    """Raises: ConfigError, if no client can have a class because it has no training sample."""
    if dataset.task != "classification":
        return
    counts = torch.bincount(dataset.targets, minlength=len(dataset.classes))
    absent = [dataset.classes[k] for k in (counts == 0).nonzero().flatten().tolist()]
    if absent:
        reason = (
            f"no client can have class {', '.join(map(repr, absent))}: there is no training sample "
            "of it; add some or leave the class out of `classes`"
        )
        raise ConfigError(where="data.classes", reason=reason)
