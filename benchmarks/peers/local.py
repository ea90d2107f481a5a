"""The training and the evaluation that the peers are handed: what a user would write in torch."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

LEARNING_RATE = 0.05
BATCH_SIZE = 32
EVALUATION_BATCH = 1000


def train(model: nn.Module, inputs: Tensor, targets: Tensor) -> None:
    """One epoch of SGD over the samples in the order in which they stand."""
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    for start in range(0, len(targets), BATCH_SIZE):
        batch = slice(start, start + BATCH_SIZE)
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs[batch]), targets[batch]).backward()
        optimizer.step()


@torch.no_grad()
def accuracy(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    right = 0
    for start in range(0, len(targets), EVALUATION_BATCH):
        batch = slice(start, start + EVALUATION_BATCH)
        right += int((model(inputs[batch]).argmax(1) == targets[batch]).sum())
    return right / len(targets)


@torch.no_grad()
def average(models: Sequence[Sequence[Tensor]], weights: Sequence[int]) -> list[Tensor]:
    """The mean of the models' parameters, weighted by samples."""
    total = sum(weights)
    return [
        torch.stack(
            [tensor * (weight / total) for tensor, weight in zip(same, weights, strict=True)]
        ).sum(0)
        for same in zip(*models, strict=True)
    ]
