"""ByzFL's own training loop: its clients, its server, its attack, on images dealt out by us.

usage: python run_byzfl_training.py FOLDER SPEC      (SPEC: JSON, as `benchmarks.robust.peer` says)

FOLDER has `inputs.npy`, `targets.npy` and for each client and set the places of its images in them.
The loop is that of ByzFL's `train.start_training`, which would download MNIST and split it itself.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from byzfl import ByzantineClient, Client, Server
from byzfl.fed_framework import models
from byzfl.utils.misc import set_random_seed
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Mlp(nn.Module):
    """784-64-10, which ByzFL has not, in the form of its `fc_mnist`."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.narrow = nn.Linear(784, 64), nn.Linear(64, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = torch.relu(self.wide(inputs.flatten(1)))
        return torch.log_softmax(self.narrow(hidden), dim=1)


NAMES = {"mlp": "fedplat_mlp", "cnn": "cnn_mnist"}


def main() -> None:
    folder, told = Path(sys.argv[1]), json.loads(sys.argv[2])
    models.fedplat_mlp = Mlp
    torch.set_num_threads(1)
    clients, server, liar = parties(folder, told)
    set_random_seed(told["seed"])
    started, validation, test = time.perf_counter(), [], []
    tell(server, clients)
    for step in range(told["steps"] + 1):
        if step % told["every"] == 0 or step == told["steps"]:
            with torch.no_grad():
                validation.append(server.compute_validation_accuracy())
                test.append(server.compute_test_accuracy())
        if step < told["steps"]:
            advance(clients, server, liar)
    best = validation.index(max(validation))
    answer = {
        "validation": validation,
        "test_last": test[-1],
        "test_selected": test[best],
        "test_best": max(test),
        "seconds": time.perf_counter() - started,
    }
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


def advance(clients: list[Client], server: Server, liar: ByzantineClient) -> None:
    """One step of ByzFL's distributed SGD."""
    for client in clients:
        client.compute_gradients()
    honest = [client.get_flat_gradients_with_momentum() for client in clients]
    server.update_model_with_gradients(honest + liar.apply_attack(honest))
    tell(server, clients)


def tell(server: Server, clients: list[Client]) -> None:
    state = server.get_dict_parameters()
    for client in clients:
        client.set_model_state(state)


def parties(folder: Path, told: dict[str, Any]) -> tuple[list[Client], Server, ByzantineClient]:
    inputs = torch.from_numpy(np.load(folder / "inputs.npy"))
    targets = torch.from_numpy(np.load(folder / "targets.npy"))

    def loader(name: str, batch: int, shuffle: bool) -> DataLoader:
        rows = torch.from_numpy(np.load(folder / f"{name}.npy"))
        return DataLoader(TensorDataset(inputs[rows], targets[rows]), batch, shuffle=shuffle)

    set_random_seed(told["seed"])
    model = {"model_name": NAMES[told["model"]], "device": "cpu", "optimizer_name": "SGD"}
    sgd = {
        "learning_rate": told["lr"],
        "weight_decay": told["weight_decay"],
        "milestones": [],
        "learning_rate_decay": 1.0,
    }
    server = Server(
        {
            **model,
            **sgd,
            "test_loader": loader("test", 1000, False),
            "validation_loader": loader("validation", 1000, False),
            "aggregator_info": told["aggregator"],
            "pre_agg_list": told["pre_aggregators"],
        }
    )
    clients = [
        Client(
            {
                **model,
                **sgd,
                "loss_name": "NLLLoss",
                "LabelFlipping": False,
                "nb_labels": 10,
                "momentum": told["momentum"],
                "training_dataloader": loader(f"client-{i}", told["batch_size"], True),
                "store_per_client_metrics": False,
            }
        )
        for i in range(told["honest"])
    ]
    known = {"aggregator_info": told["aggregator"], "pre_agg_list": told["pre_aggregators"]}
    parameters = {**known, "f": told["liars"]}
    liar = ByzantineClient({"name": told["attack"], "f": told["liars"], "parameters": parameters})
    return clients, server, liar


if __name__ == "__main__":
    main()
