"""What a round costs when many clients are registered of whom few are asked.

Both federations have the same shards of 60 samples, used again by the clients beyond them, so that
they differ in the number of registered clients and in nothing else.
"""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

from fedplat.config import scenario as scenarios
from fedplat.config.build import Parts, build
from fedplat.data import PartitionedShards
from fedplat.engine import sampling
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import CoordinatorEvent, RoundCommitted
from fedplat.learning import numerics
from fedplat.runtime.executors import BY_NAME as EXECUTORS
from fedplat.runtime.server_work import ServerWork
from fedplat.storage.memory import MemoryBlobs, MemoryEvents, MemoryStates
from fedplat_sim.federation import Federation, Stores

SHARDS, SAMPLES, PER_ROUND = 100, 60, 10
MNIST_SAMPLES = 60_000


def registered(clients: str, rounds: str, data: str) -> dict[str, Any]:
    """Seconds of each round of ten clients of `clients`, sequential, without evaluation."""
    numerics.configure()
    parts = _parts(int(clients), int(rounds), Path(data))
    stores = Stores(MemoryEvents(), MemoryBlobs(), MemoryStates())
    server = ServerWork(parts.work.cargo, parts.rule, stores.blobs, int(clients))
    committed = [perf_counter()]

    def observe(event: CoordinatorEvent) -> None:
        if isinstance(event, RoundCommitted):
            committed.append(perf_counter())

    executor = EXECUTORS["sequential"](parts.work, stores.blobs.get, 1)
    coordinator = Coordinator(parts.plan)
    Federation(coordinator, server, parts.work, executor, stores, [observe]).run(lambda: False)
    pairs = pairwise(committed)
    return {"round_seconds": [stop - start for start, stop in pairs]}


def _parts(clients: int, rounds: int, data: Path) -> Parts:
    """A scenario's parts, with the shards and the population replaced by those of this question."""
    table: dict[str, Any] = {
        "name": "registered",
        "seed": 1,
        "rounds": rounds,
        "data": {"name": "mnist", "path": str(data), "client_validation": 0.0, "client_test": 0.0},
        "clients": {"count": MNIST_SAMPLES // SAMPLES, "per_round": PER_ROUND},
        "model": "mlp",
        "training": {"lr": 0.05, "batch_size": 32, "epochs": 1},
        "evaluation": {"every": 0, "federated": "never"},
    }
    parts = build(scenarios.parse(table))
    indices = parts.shards.indices[:SHARDS]
    shards = PartitionedShards(parts.loaded.train, indices, seed=1, num_clients=clients)
    select = sampling.selection(
        sampler={"name": "uniform"},
        population=clients,
        ask=PER_ROUND,
        samples=shards.samples,
        seed=1,
    )
    return replace(
        parts,
        plan=replace(parts.plan, select=select),
        work=replace(parts.work, shards=shards, central=None),
    )
