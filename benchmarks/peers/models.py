"""The two models of the benchmark as plain torch modules, the same for every peer."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Cnn(nn.Module):
    """Two 5×5 convolutions of 10 and 20 channels, two dense layers: 21,840 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, 5)
        self.conv2 = nn.Conv2d(10, 20, 5)
        self.dense = nn.Linear(320, 50)
        self.head = nn.Linear(50, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = functional.relu(functional.max_pool2d(self.conv1(inputs), 2))
        hidden = functional.relu(functional.max_pool2d(self.conv2(hidden), 2))
        return self.head(functional.relu(self.dense(hidden.flatten(1))))


class Mlp(nn.Module):
    """784-200-10: 159,010 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(784, 200)
        self.head = nn.Linear(200, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(functional.relu(self.dense(inputs.flatten(1))))


BY_NAME = {"cnn": Cnn, "mlp": Mlp}


def make(name: str, start: list[Tensor] | None = None) -> nn.Module:
    """Builds a model and, if given, copies `start` into its parameters in their order."""
    model = BY_NAME[name]()
    if start is not None:
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), start, strict=True):
                parameter.copy_(value)
    return model
