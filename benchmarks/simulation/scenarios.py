"""The federations that are measured, as scenarios, and what they fix for every engine."""

from pathlib import Path
from typing import Any

from torch import Tensor

from fedplat import rng
from fedplat.config import scenario as scenarios
from fedplat.config.build import Parts
from fedplat.config.scenario import Scenario
from fedplat.learning.batches import epoch_orders
from fedplat.protocols import LocalTraining
from fedplat.runtime.client_work import ClientTask
from fedplat.types import ClientId, Digest

CLIENTS, PER_ROUND = 100, 10
EXECUTORS = ("sequential", "process_pool", "cohort")


def training(model: str, data: Path, rounds: int) -> Scenario:
    """MNIST, 100 clients, Dirichlet(0.5), 10 a round, one epoch, 10,000 evaluated each round."""
    return _scenario(data, model=model, rounds=rounds)


def overhead(data: Path, rounds: int) -> Scenario:
    """Every client in every round, no local step, no evaluation but the last round's."""
    return _scenario(
        data,
        model="cnn",
        rounds=rounds,
        clients={"count": CLIENTS, "per_round": CLIENTS},
        training={"steps": 0},
        evaluation={"every": 0, "federated": "never"},
    )


def _scenario(data: Path, **changes: Any) -> Scenario:
    table: dict[str, Any] = {
        "name": "benchmark",
        "seed": 1,
        "data": {
            "name": "mnist",
            "path": str(data),
            "normalize": [0.1307, 0.3081],
            "client_validation": 0.0,
            "client_test": 0.0,
        },
        "partition": {"name": "dirichlet", "alpha": 0.5},
        "clients": {"count": CLIENTS, "per_round": PER_ROUND},
        "training": {"optimizer": "sgd", "lr": 0.05, "batch_size": 32, "epochs": 1},
        "evaluation": {"every": 1, "federated": "never"},
    }
    return scenarios.parse({**table, **changes})


def cohort(parts: Parts, round_id: int) -> list[ClientId]:
    """The clients that a round asks."""
    return [selected.client for selected in parts.plan.select(round_id, 0.0)]


def epoch_order(parts: Parts, client: ClientId, round_id: int) -> Tensor:
    """The rows of the client's shard in the order in which that round's epoch takes them."""
    task = ClientTask(client, round_id, "fit", Digest(""))
    samples, settings = parts.work.shards.samples(client), parts.scenario.training
    seed = rng.derive(parts.work.stream(task), LocalTraining(parts.work.cargo.initial).stage)
    steps = settings.num_steps(samples)
    (order,) = epoch_orders(samples, settings.batch_size, steps, seed)
    return order
