"""The federations that are compared: what all arms share, and what an arm is."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from fedplat import data, rng
from fedplat.config import planning
from fedplat.config import scenario as scenarios
from fedplat.config.build import Parts, build
from fedplat.config.scenario import Scenario

CLIENTS, SAMPLES, VALIDATION = 10, 600, 5_000
NORMALIZE = (0.1307, 0.3081)
FLOAT32: Mapping[str, Any] = {"name": "float32"}
MODELS: Mapping[str, Mapping[str, Any]] = {
    "2nn": {"name": "mlp", "hidden": [200, 200]},
    "cnn": {"name": "cnn3x3"},
    "lenet": {"name": "cnn", "channels": [20, 50], "dense": 500},
}
PARTITIONS: Mapping[str, Mapping[str, Any]] = {
    "iid": {"name": "iid"},
    "dirichlet": {"name": "dirichlet", "alpha": 0.3},
}


@dataclass(frozen=True, kw_only=True)
class Federation:
    """One run: a model, a split, who takes part, and the codecs of both directions.

    A client's round is one epoch over its images, or so many `steps` of 32 images where they are
    given.  Runs that differ in their codecs only have the same shards, first model, cohorts and
    batches.
    """

    model: str
    rounds: int
    seed: int
    codec: Any = FLOAT32["name"]
    downlink: Any = None
    partition: str = "iid"
    per_round: int = CLIENTS
    samples: int = SAMPLES
    steps: int | None = None
    lr: float = 0.05

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def scenario(self, folder: Path) -> Scenario:
        """As a scenario on all of MNIST; `parts` cuts out what the clients have of it."""
        work = {"epochs": 1} if self.steps is None else {"steps": self.steps}
        table: dict[str, Any] = {
            "name": "compression",
            "seed": self.seed,
            "rounds": self.rounds,
            "codec": self.codec,
            "data": {
                "name": "mnist",
                "path": str(folder),
                "normalize": list(NORMALIZE),
                "client_validation": 0.0,
                "client_test": 0.0,
            },
            "clients": {"count": CLIENTS, "per_round": self.per_round},
            "partition": PARTITIONS[self.partition],
            "model": MODELS[self.model],
            "training": {"lr": self.lr, "momentum": 0.9, "batch_size": 32, **work},
            "evaluation": {"every": 1, "federated": "never", "test": False},
        }
        if self.downlink is not None:
            table["downlink"] = self.downlink
        return scenarios.parse(table)

    def parts(self, folder: Path) -> Parts:
        """The scenario's parts; what is evaluated each round are images that no client has.

        The images of clients and validation are drawn by the seed from MNIST's 60,000; its test set
        is not among them.
        """
        parts = build(self.scenario(folder))
        order = rng.numpy_generator(self.seed, "benchmark", "images").permutation(
            len(parts.loaded.train)
        )
        held, used = order[:VALIDATION], order[VALIDATION : VALIDATION + CLIENTS * self.samples]
        pool = parts.loaded.train.take(torch.from_numpy(used))
        shards = data.shards(pool, parts.scenario.partition, num_clients=CLIENTS, seed=self.seed)
        validation = parts.loaded.train.take(torch.from_numpy(held))
        return replace(
            parts,
            plan=planning.plan(parts.scenario, shards),
            shards=shards,
            work=replace(parts.work, shards=shards, central=validation),
        )
