"""What a round costs when many clients are registered of whom few are asked.

Both federations have the same shards of 60 samples, used again by the clients beyond them, so that
they differ in the number of registered clients and in nothing else.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.simulation.laps import Laps
from fedplat.config import scenario as scenarios
from fedplat.config.build import Parts, build
from fedplat.config.scenario import Scenario
from fedplat.data import PartitionedShards
from fedplat.engine import sampling
from fedplat_sim.run import Options, run

SHARDS, SAMPLES, PER_ROUND = 100, 60, 10
MNIST_SAMPLES = 60_000


def registered(clients: str, rounds: str, data: str) -> dict[str, Any]:
    """Seconds of each round of ten clients of `clients`, sequential, without evaluation."""
    parts, laps = _parts(int(clients), int(rounds), Path(data)), Laps()
    run(parts.scenario, Options(executor="sequential"), [laps], parts)
    return laps.answer()


def _parts(clients: int, rounds: int, data: Path) -> Parts:
    """A scenario's parts, with the shards and the population replaced by those of this question."""
    parts = build(_scenario(MNIST_SAMPLES // SAMPLES, rounds, data))
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
        scenario=_scenario(clients, rounds, data),
        plan=replace(parts.plan, select=select),
        shards=shards,
        work=replace(parts.work, shards=shards, central=None),
    )


def _scenario(clients: int, rounds: int, data: Path) -> Scenario:
    table: dict[str, Any] = {
        "name": "registered",
        "seed": 1,
        "rounds": rounds,
        "data": {
            "name": "mnist",
            "path": str(data),
            "client_validation": 0.0,
            "client_test": 0.0,
        },
        "clients": {"count": clients, "per_round": PER_ROUND},
        "model": "mlp",
        "training": {"lr": 0.05, "batch_size": 32, "epochs": 1},
        "evaluation": {"every": 0, "federated": "never"},
    }
    return scenarios.parse(table)
