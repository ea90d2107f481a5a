"""What a run remembers of the data that it deals out, so that it is replayed without them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError

from fedplat import data
from fedplat.data import Loaded, PartitionedShards
from fedplat.errors import ConfigError
from fedplat.types import Dataset, TaskKind, client_id

KEY = "dealt"  # in run.json


@dataclass(frozen=True)
class Dealt:
    """The look of data: one sample's shape, a model's outputs, each shard's training samples.

    Clients beyond the number of shards use the shards again, in turn.
    """

    inputs: tuple[int, ...]
    outputs: int
    task: TaskKind
    samples: tuple[int, ...]

    def loaded(self, seed: int) -> Loaded:
        """No sample at all, in the right shape: enough to make the model of."""
        options = {"inputs": list(self.inputs), "outputs": self.outputs, "task": self.task}
        return data.described(options).load(seed)

    def shards(self, num_clients: int, seed: int) -> PartitionedShards:
        """As many samples at each client as there were, with nothing in them."""
        total = sum(self.samples)
        bare = Dataset(torch.empty(total, 0), torch.zeros(total, dtype=torch.int64))
        rows = torch.split(torch.arange(total), list(self.samples))
        return PartitionedShards(bare, rows, seed=seed, num_clients=num_clients)


def noted(loaded: Loaded, shards: PartitionedShards) -> dict[str, Any]:
    """What `run.json` keeps of the data."""
    train = loaded.train
    samples = tuple(shards.samples(client_id(index)) for index in range(len(shards.indices)))
    dealt = Dealt(tuple(train.inputs.shape[1:]), train.num_outputs, train.task, samples)
    return {KEY: asdict(dealt)}


def read(settings: Mapping[str, object], where: str) -> Dealt | None:
    """What a run has noted; None, if an earlier version of fedplat has made it.

    Raises: ConfigError, if it is damaged.
    """
    if KEY not in settings:
        return None
    try:
        return TypeAdapter(Dealt).validate_python(settings[KEY])
    except ValidationError as error:
        reason = f"is damaged at {KEY!r}; remove it, and replay where the data are"
        raise ConfigError(where=where, reason=reason) from error
