"""A module whose float32 tensors are views of one flat vector, and whose gradients are too.

So loading a model is one copy, an optimizer's step is one operation, and reading the result is one
copy; the module's own code notices nothing.
"""

from collections.abc import Iterable

from jaxtyping import Float32
from torch import Tensor, nn

from fedplat.learning.layouts import layout_of
from fedplat.params import Layout, Params, aligned
from fedplat.types import Role

Vector = Float32[Tensor, " dim"]


class BoundModule:
    """Holds the memory that a module computes in.  Not for two threads at once.

    `weights` (dim,) starts on 64 bytes; `gradients` (num_trainable,) lies like its prefix.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.layout: Layout = layout_of(module)
        self.weights: Vector = aligned(self.layout.dim)
        self.gradients: Vector = aligned(self.layout.num_trainable).zero_()
        self._views = self.layout.views(self.weights)
        self._parameters = dict(module.named_parameters())
        self._buffers = {
            spec.name: _owner(module, spec.name)
            for spec in self.layout.specs
            if spec.name not in self._parameters
        }
        spans = self.layout.spans()
        for spec in self.layout.flat:
            self._views[spec.name].copy_(_tensor(module, spec.name))
            if spec.name in self._parameters:
                self._parameters[spec.name].data = self._views[spec.name]
            if spec.trainable:
                gradient = self.gradients[spans[spec.name]].view(spec.shape)
                self._parameters[spec.name].grad = gradient
        self._bind_buffers()

    def load(self, params: Params) -> None:
        """Copies `params` in; the layout must be the module's.

        Raises: ValueError, if it is not.
        """
        if params.layout != self.layout:
            raise ValueError("these values are of another model: the layouts differ")
        self.weights.copy_(params.vector)
        for name, tensor in params.beside.items():
            _tensor(self.module, name).data.copy_(tensor)

    def read(self) -> Params:
        """Copies the values out.  A buffer that the module replaced by a new tensor is followed."""
        for name, (owner, leaf) in self._buffers.items():
            if name in self._views and owner._buffers[leaf] is not self._views[name]:
                self._views[name].copy_(owner.get_buffer(leaf))
        self._bind_buffers()
        beside = {s.name: _tensor(self.module, s.name).detach().clone() for s in self.layout.beside}
        return Params(self.layout, aligned(self.layout.dim).copy_(self.weights), beside)

    def trained_spans(self, roles: frozenset[Role] | None) -> list[slice]:
        """Lets gradients flow only to parameters of `roles` (None: all); where these lie.

        Neighbours are joined, so that without `roles` there is one span: the whole prefix.
        """
        chosen: list[slice] = []
        spans = self.layout.spans()
        for spec in self.layout.flat:
            if not spec.trainable:
                continue
            wanted = roles is None or spec.role in roles
            self._parameters[spec.name].requires_grad_(wanted)
            if wanted:
                chosen.append(spans[spec.name])
        return list(_joined(chosen))

    def _bind_buffers(self) -> None:
        for name, (owner, leaf) in self._buffers.items():
            if name in self._views:
                owner._buffers[leaf] = self._views[name]


def _owner(module: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, leaf = name.rpartition(".")
    return module.get_submodule(path), leaf


def _tensor(module: nn.Module, name: str) -> Tensor:
    owner, leaf = _owner(module, name)
    tensor: Tensor = getattr(owner, leaf)
    return tensor.detach()


def _joined(spans: Iterable[slice]) -> Iterable[slice]:
    last: slice | None = None
    for span in spans:
        if last is not None and last.stop == span.start:
            last = slice(last.start, span.stop)
            continue
        if last is not None:
            yield last
        last = span
    if last is not None:
        yield last
