"""Makes updates by training: plain loops over real images, functions of a seed."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.coding.models import Transformer
from fedplat import rng
from fedplat.data.source.idx import Idx
from fedplat.learning import models
from fedplat.learning.seeding import seeded

Tensors = Mapping[str, Tensor]
Optimizer = Callable[[list[nn.Parameter]], torch.optim.Optimizer]
MNIST_SCALE = (0.1307, 0.3081)
ADAPTER = "lora_"


@dataclass(frozen=True)
class Images:
    """What is trained on.  Shapes: `inputs` (n, 1, 28, 28) normalised; `targets` (n,)."""

    inputs: Tensor
    targets: Tensor

    def part(self, index: int, count: int) -> "Images":
        """The images of client `index`; small data sets begin again from their start."""
        rows = (torch.arange(count) + index * count) % len(self.inputs)
        return Images(self.inputs[rows], self.targets[rows])


@cache
def images(folder: Path) -> Images:
    """MNIST's training set in an order of its own.  Raises: DataError, if it is not there."""
    train = Idx(str(folder), normalize=MNIST_SCALE).load(0).train
    order = torch.randperm(len(train), generator=rng.generator(0, "images"))
    return Images(train.inputs[order], train.targets[order])


def module(name: str, seed: int) -> nn.Module:
    """A model with the values that `seed` gives it."""
    if name == "transformer":
        with seeded(rng.derive(seed, "model")):
            return Transformer()
    if name == "2nn":
        return models.build("mlp", (1, 28, 28), 10, seed, hidden=(200, 200))
    return models.build(name, (1, 28, 28), 10, seed)


def sgd(moving: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(moving, lr=0.05, momentum=0.9)


def rmsprop(moving: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(moving, lr=1e-3)


def adam(moving: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(moving, lr=1e-3)


def train(
    model: nn.Module, data: Images, epochs: int, make: Optimizer, seed: int, batch: int = 32
) -> None:
    """Moves what of `model` asks for a gradient."""
    optimizer = make([one for one in model.parameters() if one.requires_grad])
    for epoch in range(epochs):
        order = torch.randperm(len(data.inputs), generator=rng.generator(seed, "epoch", epoch))
        for rows in order.split(batch):
            optimizer.zero_grad()
            functional.cross_entropy(model(data.inputs[rows]), data.targets[rows]).backward()
            optimizer.step()


def delta(name: str, data: Images, epochs: int, make: Optimizer, seed: int) -> Tensors:
    """What a client sends that trains from the first model: its model less that one."""
    model = module(name, seed)
    before = _values(model)
    train(model, data, epochs, make, seed, batch=10 if make is rmsprop else 32)
    return _difference(_values(model), before)


def gradient(name: str, data: Images, seed: int, batch: int = 64) -> Tensors:
    """The gradient of one batch, of a model that has seen the other images once."""
    model = module(name, seed)
    train(model, Images(data.inputs[batch:], data.targets[batch:]), 1, sgd, seed)
    model.zero_grad()
    functional.cross_entropy(model(data.inputs[:batch]), data.targets[:batch]).backward()
    return {name: one.grad.clone() for name, one in model.named_parameters()}


def adapters(data: Images, before: int, seed: int) -> Tensors:
    """The adapters' change in a transformer that was trained on `before` other images first."""
    model = module("transformer", seed)
    model.train_adapters(False)
    train(model, Images(data.inputs[:before], data.targets[:before]), 1, adam, seed)
    model.train_adapters(True)
    start = _values(model)
    train(model, Images(data.inputs[before:], data.targets[before:]), 1, adam, seed + 1)
    moved = _difference(_values(model), start)
    return {name: value for name, value in moved.items() if ADAPTER in name}


def rounds(
    name: str, data: Images, clients: int, each: int, wanted: tuple[int, ...], seed: int
) -> Iterator[tuple[int, Tensors]]:
    """FedAvg, one epoch a client and round; the first client's update of the wanted rounds."""
    model = module(name, seed)
    for round_id in range(1, max(wanted) + 1):
        start, updates = _values(model), []
        for client in range(clients):
            local = copy.deepcopy(model)
            train(local, data.part(client, each), 1, sgd, rng.derive(seed, round_id, client))
            updates.append(_difference(_values(local), start))
        if round_id in wanted:
            yield round_id, updates[0]
        means = {one: sum(update[one] for update in updates) / clients for one in start}
        model.load_state_dict({one: start[one] + means[one] for one in start})


def _values(model: nn.Module) -> dict[str, Tensor]:
    return {name: one.detach().clone() for name, one in model.named_parameters()}


def _difference(after: Tensors, before: Tensors) -> dict[str, Tensor]:
    return {name: after[name] - before[name] for name in before}
