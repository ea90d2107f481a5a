"""Clients' work on a data set of a few numbers, and what it gives when nobody else is around."""

import hashlib
from functools import partial
from typing import Any

import torch
from torch import nn

from fedplat import algorithms, rng
from fedplat.codecs.float32 import Float32
from fedplat.data.partitioned import PartitionedShards
from fedplat.engine.payload import Cargo
from fedplat.learning import numerics
from fedplat.learning.byo import App, AppLearner
from fedplat.learning.torch_learner import TorchLearner
from fedplat.protocols import Learner
from fedplat.runtime.client_work import ClientTask, ClientWork, Outcome, Task
from fedplat.types import Dataset, Digest, TrainSettings, client_id

SIZES = (40, 11, 23, 5, 32)  # samples of client 0, 1, …
FEATURES, CLASSES, SEED = 8, ("a", "b", "c"), 5
SETTINGS = TrainSettings(lr=0.1, batch_size=4, epochs=2)
A, B, C, D, E = (client_id(index) for index in range(5))


def dataset(samples: int, stream: str = "train") -> Dataset:
    """Classes that a line can tell apart most of the time."""
    generator = rng.numpy_generator(SEED, stream)
    inputs = torch.from_numpy(generator.normal(size=(samples, FEATURES)).astype("float32"))
    noise = torch.from_numpy(generator.normal(size=(samples, len(CLASSES))).astype("float32"))
    targets = (inputs[:, : len(CLASSES)] + 0.3 * noise).argmax(1)
    return Dataset(inputs, targets, classes=CLASSES)


def shards(data: Dataset | None = None) -> PartitionedShards:
    rows = list(torch.arange(sum(SIZES)).split(SIZES))
    data = dataset(sum(SIZES)) if data is None else data
    return PartitionedShards(data, rows, seed=SEED, client_validation=0.1, client_test=0.2)


def module(norm: type[nn.Module] | None = None) -> nn.Module:
    layers = [] if norm is None else [norm(6)]
    return nn.Sequential(nn.Linear(FEATURES, 6), *layers, nn.ReLU(), nn.Linear(6, len(CLASSES)))


def torch_learner(norm: type[nn.Module] | None = None, **settings: Any) -> TorchLearner:
    changed = TrainSettings(**{"lr": 0.1, "batch_size": 4, "epochs": 2, **settings})
    return TorchLearner(partial(module, norm), changed, "classification", SEED)


def app_learner(app: App) -> AppLearner:
    return AppLearner(app, SETTINGS, SEED)


def work(
    algorithm: str | dict[str, Any] = "fedavg",
    learner: Learner | None = None,
    *,
    central: int = 0,
    data: Dataset | None = None,
) -> ClientWork:
    """The work of five clients; `central` samples are the coordinator's."""
    numerics.configure()
    part = {"name": algorithm} if isinstance(algorithm, str) else algorithm
    learner = learner or torch_learner()
    return ClientWork(
        Cargo(algorithms.build(part), Float32(), learner.initial()),
        learner,
        shards(data),
        learner.settings,
        SEED,
        central=dataset(central, "central") if central else None,
    )


class Broadcasts:
    """The broadcasts of a few rounds, by digest: the model of round r is the first one plus r/64.

    Calls are counted in `reads`.
    """

    def __init__(self, work: ClientWork, rounds: int = 1) -> None:
        self._cargo, self._payloads, self.reads = work.cargo, {}, 0
        self.digests = [self._add(index) for index in range(rounds)]

    def _add(self, index: int) -> Digest:
        first = self._cargo.first
        moved = first.params.with_vector(first.params.vector + index / 64)
        payload = self._cargo.encode_broadcast(type(first)(moved, first.down, first.kept))
        digest = Digest(hashlib.sha256(payload).hexdigest())
        self._payloads[digest] = payload
        return digest

    def __call__(self, digest: Digest) -> memoryview:
        self.reads += 1
        return memoryview(self._payloads[digest])

    def task(self, client: str, kind: str = "fit", index: int = 0, state: bytes = b"") -> Task:
        return ClientTask(client, index + 1, kind, self.digests[index], state)


def alone(work: ClientWork, read: Broadcasts, tasks: list[Task]) -> dict[Task, Outcome]:
    """The outcomes of the tasks one after another: what every executor is compared with."""
    return {task: work.do(task, read(task.broadcast)) for task in tasks}
