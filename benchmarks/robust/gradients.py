"""The gradients of many clients' batches at one model: all take one step from the same point.

So their forward passes are one, and only the products that make weights' gradients are apart.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

from fedplat.learning import models
from fedplat.learning.bound import BoundModule

MODELS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "mlp": ("mlp", {"hidden": (64,)}),
    "cnn": ("cnn", {"channels": (20, 50), "dense": 500}),  # ByzFL's cnn_mnist, in the same shapes
}
CHUNK = 1000


class Gradients(Protocol):
    """A model's weights, and what clients make of them."""

    weights: Tensor

    def of(self, inputs: Tensor, targets: Tensor, out: Tensor) -> None:
        """Fills `out` with the gradient of each client's mean loss.

        Shapes: `inputs` (clients, batch, *features), `targets` (clients, batch),
        `out` (clients, d).
        """

    def accuracy(self, inputs: Tensor, targets: Tensor) -> float: ...


class Plain:
    """Any model: one client after another, by autograd."""

    def __init__(self, bound: BoundModule) -> None:
        self._bound, self.weights = bound, bound.weights

    def of(self, inputs: Tensor, targets: Tensor, out: Tensor) -> None:
        self._bound.module.train()
        for mine, wanted, row in zip(inputs, targets, out, strict=True):
            self._bound.gradients.zero_()
            cross_entropy(self._bound.module(mine), wanted).backward()  # type: ignore[no-untyped-call]
            row.copy_(self._bound.gradients)

    def accuracy(self, inputs: Tensor, targets: Tensor) -> float:
        self._bound.module.eval()
        right = 0
        with torch.inference_mode():
            for start in range(0, len(inputs), CHUNK):
                found = self._bound.module(inputs[start : start + CHUNK]).argmax(1)
                right += int((found == targets[start : start + CHUNK]).sum())
        return right / len(targets)


class Convolutional(Plain):
    """A convolutional model: one client after another, its weights laid out channels last."""

    def __init__(self, bound: BoundModule) -> None:
        super().__init__(bound)
        self._spans = list(bound.layout.spans().values())
        self._views = bound.layout.views(bound.weights)

    def of(self, inputs: Tensor, targets: Tensor, out: Tensor) -> None:
        weights = {name: _laid_out(view).requires_grad_() for name, view in self._views.items()}
        for mine, wanted, row in zip(inputs, targets, out, strict=True):
            made = functional_call(self._bound.module, weights, (_laid_out(mine),))
            found = torch.autograd.grad(cross_entropy(made, wanted), list(weights.values()))
            for span, gradient in zip(self._spans, found, strict=True):
                row[span] = gradient.reshape(-1)


def _laid_out(tensor: Tensor) -> Tensor:
    if tensor.dim() != 4:
        return tensor.detach()
    return tensor.detach().contiguous(memory_format=torch.channels_last)


class TwoLayers(Plain):
    """A perceptron with one hidden layer: all clients' batches as one."""

    def __init__(self, bound: BoundModule) -> None:
        super().__init__(bound)
        spans, views = bound.layout.spans(), bound.layout.views(bound.weights)
        names = ("1.weight", "1.bias", "3.weight", "3.bias")
        self._tensors = [views[name].detach() for name in names]
        self._spans = [spans[name] for name in names]

    def of(self, inputs: Tensor, targets: Tensor, out: Tensor) -> None:
        wide, wide_bias, narrow, narrow_bias = self._tensors
        clients, batch = targets.shape
        seen = inputs.reshape(clients * batch, -1)
        hidden = torch.addmm(wide_bias, seen, wide.T).relu_()
        error = torch.softmax(torch.addmm(narrow_bias, hidden, narrow.T), 1)
        error[torch.arange(len(error)), targets.reshape(-1)] -= 1
        error /= batch
        below = (error @ narrow) * (hidden > 0)
        for layer, delta, fed in ((0, below, seen), (1, error, hidden)):
            weight, bias = self._spans[2 * layer : 2 * layer + 2]
            delta = delta.view(clients, batch, -1)
            products = torch.bmm(delta.transpose(1, 2), fed.view(clients, batch, -1))
            out[:, weight] = products.view(clients, -1)
            out[:, bias] = delta.sum(1)


class Placed(Plain):
    """Any model on another device: all clients at once there, weights and gradients here."""

    def __init__(self, bound: BoundModule, device: torch.device) -> None:
        super().__init__(bound)
        self._device, self._spans = device, bound.layout.spans()
        self._views = bound.layout.views(bound.weights)
        # Built anew: the bound module's tensors are views of the flat vector, and stay here.
        self._there = copy.deepcopy(bound.module).to(device)
        self._by_client = vmap(grad(self._loss), in_dims=(None, 0, 0))

    def of(self, inputs: Tensor, targets: Tensor, out: Tensor) -> None:
        found = self._by_client(self._placed(), inputs.to(self._device), targets.to(self._device))
        for name, gradient in found.items():
            out[:, self._spans[name]] = gradient.flatten(1).to(out.device)

    def accuracy(self, inputs: Tensor, targets: Tensor) -> float:
        right, weights = 0, self._placed()
        with torch.inference_mode():
            for start in range(0, len(inputs), CHUNK):
                some = inputs[start : start + CHUNK].to(self._device)
                found = functional_call(self._there, weights, (some,)).argmax(1).cpu()
                right += int((found == targets[start : start + CHUNK]).sum())
        return right / len(targets)

    def _placed(self) -> dict[str, Tensor]:
        return {name: view.detach().to(self._device) for name, view in self._views.items()}

    def _loss(self, weights: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(functional_call(self._there, weights, (inputs,)), targets)


KINDS: Mapping[str, Callable[[BoundModule], Gradients]] = {"mlp": TwoLayers, "cnn": Convolutional}


def gradients(model: str, seed: int, device: str = "cpu") -> Gradients:
    """The model that a scenario with this seed begins with."""
    name, options = MODELS[model]
    bound = BoundModule(models.build(name, (1, 28, 28), 10, seed, **options))
    return KINDS[model](bound) if device == "cpu" else Placed(bound, torch.device(device))
