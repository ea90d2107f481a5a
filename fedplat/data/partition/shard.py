"""Label skew by blocks of the data sorted by class."""

from dataclasses import dataclass

import numpy as np

from fedplat import check, rng
from fedplat.data.partition.partitioner import Shards, check_clients, labels_of, shards_of
from fedplat.errors import ConfigError
from fedplat.types import Dataset


@dataclass(frozen=True, slots=True)
class Shard:
    """Sorts the samples by class, cuts them into blocks and gives every client some at random.

    Either `num_shards_per_partition`: so many blocks each, of sizes that differ by at most one.  Or
    `shard_size`: blocks of that size, the last may be smaller; the first clients get one block more
    where they do not come out even.

    Raises: ConfigError, if there are fewer blocks than clients, or fewer samples than blocks.
    Source: McMahan et al. 2017, "Communication-Efficient Learning of Deep Networks from
    Decentralized Data", §3 (arXiv:1602.05629; 2 blocks each); flwr-datasets, ShardPartitioner.
    Deviates: samples are shuffled within a class; none is left out, as flwr-datasets does with what
    does not fill a block (`shard_size` here is its `keep_incomplete_shard=True`).
    """

    num_shards_per_partition: int | None = None
    shard_size: int | None = None

    def __post_init__(self) -> None:
        if (self.num_shards_per_partition is None) == (self.shard_size is None):
            raise ValueError("give one of num_shards_per_partition and shard_size")
        check.at_least(1, shards=self.num_shards_per_partition or self.shard_size or 0)

    def __call__(self, dataset: Dataset, num_clients: int, seed: int) -> Shards:
        check_clients(dataset, num_clients)
        labels = labels_of(dataset, "shard")
        generator = rng.numpy_generator(seed, "partition", "shard")
        order = generator.permutation(len(labels))
        order = order[np.argsort(labels[order], kind="stable")]
        if self.shard_size is not None:
            blocks = np.split(order, range(self.shard_size, len(order), self.shard_size))
        else:
            blocks = np.array_split(order, num_clients * (self.num_shards_per_partition or 1))
        if len(blocks) < num_clients or len(blocks[-1]) == 0:
            reason = (
                f"{len(labels)} samples do not make blocks for {num_clients} clients; lower the "
                "number of clients, `shard_size` or `num_shards_per_partition`"
            )
            raise ConfigError(where="partition (shard)", reason=reason)
        drawn = generator.permutation(len(blocks))
        owners = np.full(len(labels), -1, dtype=np.int64)
        for client, mine in enumerate(np.array_split(drawn, num_clients)):
            for block in mine:
                owners[blocks[block]] = client
        return shards_of(owners, num_clients)
