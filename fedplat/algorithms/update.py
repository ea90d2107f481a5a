"""What client programs end with and what server steps begin with, whatever the algorithm."""

from dataclasses import replace

import torch
from torch import Tensor

from fedplat.params import Params, aligned
from fedplat.protocols import Aggregate, Broadcast, ClientResult, Trained, Vector
from fedplat.types import State, Tensors


def idle(broadcast: Broadcast, state: State, extras: Tensors | None = None) -> ClientResult:
    """The result of a client without training samples: no update, no weight, nothing changed."""
    update = torch.zeros_like(broadcast.params.vector)
    beside = broadcast.params.beside
    return ClientResult(update, 0.0, beside=beside, extras=extras or {}, state=state)


def learned(broadcast: Broadcast, trained: Trained, weight: float) -> ClientResult:
    """The result of a client without state: trained minus global over the shared layout."""
    mine = trained.params.select(broadcast.params.layout)
    update = mine.vector - broadcast.params.vector
    return ClientResult(update, weight, trained.metrics, mine.beside)


def scaled(result: ClientResult, params: Params, factor: float) -> ClientResult:
    """`result` with the trainable part of its update times `factor`; buffers stay as they are."""
    count = params.layout.num_trainable
    update = torch.cat([factor * result.update[:count], result.update[count:]])
    return replace(result, update=update)


def trainable(params: Params) -> Vector:
    """The part of the flat vector that an optimizer steps on, without a copy."""
    return params.vector[: params.layout.num_trainable]


def nothing(params: Params) -> Vector:
    """A zero for each trainable parameter: where moments and controls start."""
    return torch.zeros(params.layout.num_trainable, dtype=torch.float32)


def mean_step(params: Params, aggregate: Aggregate) -> Vector:
    """The clients' mean update of the trainable parameters, without a copy."""
    return aggregate.update[: params.layout.num_trainable]


def advance(params: Params, aggregate: Aggregate, step: Vector) -> Params:
    """Moves the trainable parameters by `step`, and everything else by the plain mean.

    Buffers (running means and variances) and tensors of other dtypes are statistics, not something
    that a server optimizer descends on: they take their clients' weighted mean whatever the
    algorithm is.  Integers are rounded to the nearest, ties to even.

    Shapes: `step` (num_trainable,).
    """
    count = params.layout.num_trainable
    vector = aligned(params.layout.dim)
    torch.add(params.vector[:count], step, out=vector[:count])
    torch.add(params.vector[count:], aggregate.update[count:], out=vector[count:])
    means = {**params.beside, **aggregate.beside}
    beside = {name: _as(means[name], old) for name, old in params.beside.items()}
    return Params(params.layout, vector, beside)


def _as(mean: Tensor, old: Tensor) -> Tensor:
    if mean.is_floating_point() and not old.is_floating_point():
        mean = mean.round()
    return mean.to(old.dtype).view(old.shape)
