"""Writes what the peers are handed: our data, shards, cohorts, batch order and initial models.

usage: python -m benchmarks.simulation.workload FOLDER DATA ROUNDS
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

from benchmarks.simulation import scenarios
from benchmarks.simulation.engines import MODELS
from fedplat.config.build import Parts, build
from fedplat.types import Dataset, client_id


def write(folder: Path, data: Path, rounds: int) -> None:
    """Fills `folder`; `workload.json` is written last, so a folder that has it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    for model in MODELS:
        parts = build(scenarios.training(model, data, rounds))
        _write_initial(folder / f"initial_{model}.npz", parts)
    if parts.work.central is None:
        raise ValueError("the data have no test set")
    clients = [client_id(index) for index in range(scenarios.CLIENTS)]
    shards = [parts.work.shards.client(client).train for client in clients]
    stops = np.cumsum([len(shard) for shard in shards]).tolist()
    starts = [0, *stops[:-1]]
    _write_dataset(folder, "train", shards)
    _write_dataset(folder, "test", [parts.work.central])
    orders = [
        torch.cat(
            [
                start + scenarios.epoch_order(parts, client, round_id)
                for start, client in zip(starts, clients, strict=True)
            ]
        )
        for round_id in range(1, rounds + 1)
    ]
    np.save(folder / "orders.npy", torch.stack(orders).numpy())
    index = {client: number for number, client in enumerate(clients)}
    cohorts = [
        [index[client] for client in scenarios.cohort(parts, round_id)]
        for round_id in range(1, rounds + 1)
    ]
    described = {
        "clients": len(clients),
        "cohorts": cohorts,
        "shards": [list(span) for span in zip(starts, stops, strict=True)],
    }
    (folder / "workload.json").write_text(json.dumps(described))


def _write_initial(path: Path, parts: Parts) -> None:
    """The initial tensors in the order of the module's parameters, which is that of the peers'."""
    tensors = parts.work.cargo.initial.tensors()
    names = [name for name, _ in parts.work.learner.module.named_parameters()]
    np.savez(path, **{f"{number:02d}": tensors[name].numpy() for number, name in enumerate(names)})


def _write_dataset(folder: Path, name: str, pieces: list[Dataset]) -> None:
    np.save(folder / f"{name}_inputs.npy", torch.cat([piece.inputs for piece in pieces]).numpy())
    np.save(folder / f"{name}_targets.npy", torch.cat([piece.targets for piece in pieces]).numpy())


def main() -> None:
    folder, data, rounds = sys.argv[1:]
    write(Path(folder), Path(data), int(rounds))
    print(json.dumps({"rounds": int(rounds)}))


if __name__ == "__main__":
    main()
