"""Who steps when, and on which samples, when many clients train together."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from fedplat.learning.batches import epoch_orders, num_steps
from fedplat.protocols import LocalTraining
from fedplat.types import Dataset, TrainSettings


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The local steps of some clients, those with most steps first.

    `members` are the clients' places in the list of requests; `steps` their numbers of steps,
    falling, none of them 0.  `indices` name samples in `inputs`, which holds all members' shards
    one after another; where a batch has fewer samples than the widest, its first one stands again,
    beyond `counts`.

    Shapes: `indices` (members, max(steps), width); `counts` (members, max(steps)).
    """

    members: tuple[int, ...]
    steps: tuple[int, ...]
    indices: Int64[Tensor, "members steps width"]
    counts: Int64[Tensor, "members steps"]
    inputs: Tensor
    targets: Tensor

    def active(self, step: int) -> int:
        """How many members, from the first on, take the step (counted from 0)."""
        return sum(steps > step for steps in self.steps)

    def sample_weights(self, step: int, active: int) -> Float32[Tensor, "active width"]:
        """Weighs each sample of a batch by one over its size, and what fills it up by zero."""
        counts = self.counts[:active, step, None]
        places = torch.arange(self.indices.shape[2], device=counts.device)
        return (places < counts) / counts.float()

    def to(self, device: torch.device) -> "Plan":
        moved = [t.to(device) for t in (self.indices, self.counts, self.inputs, self.targets)]
        return Plan(self.members, self.steps, *moved)


def plan(
    settings: TrainSettings,
    requests: Sequence[LocalTraining],
    data: Sequence[Dataset],
    seeds: Sequence[int],
    members: Sequence[int],
) -> Plan:
    """Gives every member the batches that `TorchLearner` would give it.

    `members` have at least one step each, and come in falling order of their steps.
    """
    steps = tuple(num_steps(settings, requests[i].epochs, len(data[i])) for i in members)
    width = max(min(settings.batch_size, len(data[i])) for i in members)
    indices = torch.zeros(len(members), steps[0], width, dtype=torch.int64)
    counts = torch.ones(len(members), steps[0], dtype=torch.int64)
    offset = 0
    for row, index in enumerate(members):
        samples, step = len(data[index]), 0
        indices[row] = offset
        for order in epoch_orders(samples, settings.batch_size, steps[row], seeds[index]):
            for batch in order.split(settings.batch_size):  # type: ignore[no-untyped-call]
                indices[row, step] = offset + batch[0]
                indices[row, step, : len(batch)] = offset + batch
                counts[row, step] = len(batch)
                step += 1
        offset += samples
    inputs = torch.cat([data[i].inputs for i in members])
    return Plan(
        tuple(members),
        steps,
        indices,
        counts,
        inputs,
        torch.cat([data[i].targets for i in members]),
    )


def working(
    settings: TrainSettings, requests: Sequence[LocalTraining], data: Sequence[Dataset]
) -> list[int]:
    """The requests that have steps to make, those with most steps first; ties in order."""
    steps = [
        num_steps(settings, request.epochs, len(shard))
        for request, shard in zip(requests, data, strict=True)
    ]
    return sorted((i for i, number in enumerate(steps) if number), key=lambda i: -steps[i])
