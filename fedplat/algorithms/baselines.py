"""What the same model reaches without a federation: each client alone, or all data together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import torch

from fedplat import rng
from fedplat.params import Params
from fedplat.protocols import Learner, LocalTraining
from fedplat.types import Dataset, Metrics, merge


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """A model that no federation made: its values, its metrics, the local steps that it took."""

    params: Params
    metrics: Metrics
    steps: int


def local_only(
    learner: Learner, shards: Sequence[Dataset], trainings: int, test: Dataset, seed: int
) -> Iterator[Baseline]:
    """Trains each shard's own model from the common start, and evaluates it on `test`.

    `trainings` rounds of local training one after another, so a client makes the steps that it
    would make if every round of the federation asked it.  A client without samples keeps the start.
    """
    for index, shard in enumerate(shards):
        params, steps = learner.initial(), 0
        for turn in range(trainings if len(shard) else 0):
            stream = rng.derive(seed, "local_only", index, turn)
            trained = learner.train(LocalTraining(params, stage="local_only"), shard, stream)
            params, steps = trained.params, steps + trained.steps
        yield Baseline(params, learner.evaluate(params, test), steps)


def central(
    learner: Learner, shards: Sequence[Dataset], steps: int, test: Dataset, seed: int
) -> Baseline:
    """Trains one model on all shards together for `steps` local steps, and evaluates it on `test`.

    Trains in passes over the pooled data until `steps` are made, so at most one pass more.  A
    learner that counts no steps makes one pass.
    """
    data = pooled(shards)
    epochs = 1 if "epochs" in learner.supports else None
    params, made = learner.initial(), 0
    for turn in count():
        if made >= steps or len(data) == 0:
            break
        request = LocalTraining(params, epochs=epochs, stage="central")
        trained = learner.train(request, data, rng.derive(seed, "central", turn))
        params, made = trained.params, made + trained.steps
        if trained.steps == 0:
            break
    return Baseline(params, learner.evaluate(params, test), made)


def mean_metrics(baselines: Sequence[Baseline]) -> Metrics:
    """The clients' metrics merged: the mean over clients, since all saw one test set."""
    return merge(baseline.metrics for baseline in baselines)


def pooled(shards: Sequence[Dataset]) -> Dataset:
    """All samples in shard order.

    Raises: ValueError, if there is no shard.
    """
    if not shards:
        raise ValueError("there is no shard to pool")
    inputs = torch.cat([shard.inputs for shard in shards])
    targets = torch.cat([shard.targets for shard in shards])
    return Dataset(inputs, targets, shards[0].task, shards[0].classes)
