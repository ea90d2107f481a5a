"""The split that the data has by nature."""

from dataclasses import dataclass

import torch

from fedplat.data.partition.partitioner import Shards, check_clients, shards_of
from fedplat.errors import ConfigError
from fedplat.types import Dataset


@dataclass(frozen=True, slots=True)
class NaturalId:
    """Makes each natural owner (writer, hospital, device) a client, in the order of their ids.

    The column that names the owner (flwr-datasets' `partition_by`) is the data's option `group`.

    Raises: ConfigError, if the data names no owners, or not as many as there are clients.
    Source: flwr-datasets, NaturalIdPartitioner.
    """

    def __call__(self, dataset: Dataset, num_clients: int, seed: int) -> Shards:
        check_clients(dataset, num_clients)
        if dataset.groups is None:
            reason = "the data names no natural owner; name its column by `data.group`"
            raise ConfigError(where="partition (natural_id)", reason=reason)
        ids, owners = torch.unique(dataset.groups, return_inverse=True)
        if len(ids) != num_clients:
            reason = f"the data names {len(ids)} natural owners; set the count to {len(ids)}"
            raise ConfigError(where="clients.count", reason=f"{num_clients} clients, but {reason}")
        return shards_of(owners.numpy(), num_clients)
