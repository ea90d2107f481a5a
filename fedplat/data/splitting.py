"""From the `[partition]` of a scenario to the data of its clients."""

from collections.abc import Mapping
from typing import Any

from fedplat.data.partition import FeatureSkew, partitioner
from fedplat.data.partition.partitioner import check_classes
from fedplat.data.partitioned import PartitionedShards
from fedplat.errors import ConfigError
from fedplat.types import Dataset


def shards(
    dataset: Dataset,
    partition: str | Mapping[str, Any],
    *,
    num_clients: int,
    seed: int,
    validation: float = 0.0,
    test: float = 0.0,
) -> PartitionedShards:
    """Splits `dataset` over clients as a scenario's part says, and each shard in three.

    Raises: ConfigError, if a name or an option is wrong, a class has no sample for any client, or
    the data can not be split so; with the reason and what to change.
    """
    scheme = partitioner(partition)
    check_classes(dataset)
    indices = scheme(dataset, num_clients, seed)
    skew = scheme if isinstance(scheme, FeatureSkew) else None
    try:
        return PartitionedShards(
            dataset,
            indices,
            seed=seed,
            client_validation=validation,
            client_test=test,
            skew=skew,
        )
    except ValueError as error:
        raise ConfigError(where="data", reason=str(error)) from error
