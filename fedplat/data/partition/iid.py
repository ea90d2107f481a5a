"""The homogeneous split."""

from dataclasses import dataclass

import numpy as np

from fedplat import rng
from fedplat.data.partition.partitioner import Shards, check_clients, owners_in_turn, shards_of
from fedplat.types import Dataset


@dataclass(frozen=True, slots=True)
class Iid:
    """Deals the shuffled samples out in equal shares.

    Guarantees: shard sizes differ by at most one.
    Source: McMahan et al. 2017, "Communication-Efficient Learning of Deep Networks from
    Decentralized Data", §3.  arXiv:1602.05629
    """

    def __call__(self, dataset: Dataset, num_clients: int, seed: int) -> Shards:
        check_clients(dataset, num_clients)
        order = rng.numpy_generator(seed, "partition", "iid").permutation(len(dataset))
        small, more = divmod(len(dataset), num_clients)
        sizes = np.full(num_clients, small) + (np.arange(num_clients) < more)
        return shards_of(owners_in_turn(order, sizes), num_clients)
