"""Makes the three functions of an app out of a plain PyTorch script's own."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fedplat.learning.byo import Arrays, Context

Step = Callable[[nn.Module, Tensor, Tensor], Mapping[str, float] | None]


def torch_app(
    factory: Callable[[], nn.Module], train: Step, test: Step
) -> tuple[Callable[[Context], Arrays], Callable[..., Any], Callable[..., Any]]:
    """Gives `initial, fit, evaluate` for a script that has `train` and `test` as functions.

    Both take (module, inputs, targets); `train` changes the module and may give means by name,
    `test` gives {"loss": mean, …}.  Everything in the module's state dict is federated.
    """

    def initial(context: Context) -> Arrays:
        return _arrays(factory())

    def fit(params: Arrays, context: Context) -> tuple[Arrays, Mapping[str, float]]:
        module = _module(factory, params)
        means = train(module.train(), *_tensors(context))
        return _arrays(module), means or {}

    def evaluate(params: Arrays, context: Context) -> Mapping[str, float] | None:
        return test(_module(factory, params).eval(), *_tensors(context))

    return initial, fit, evaluate


def _arrays(module: nn.Module) -> Arrays:
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


def _module(factory: Callable[[], nn.Module], params: Arrays) -> nn.Module:
    module = factory()
    module.load_state_dict({name: torch.from_numpy(array) for name, array in params.items()})
    return module


def _tensors(context: Context) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(context.data.inputs), torch.from_numpy(context.data.targets)
