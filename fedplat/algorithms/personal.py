"""Models of which a part never leaves the client: putting them together and taking them apart."""

from fedplat.algorithms.program import Program
from fedplat.params import Params
from fedplat.protocols import Broadcast
from fedplat.types import Role, State


def whole(broadcast: Broadcast, state: State) -> Params:
    """The client's model: the global tensors, its own personal ones, and else the initial ones.

    `state` holds personal tensors by their names, or nothing.
    """
    shared = broadcast.params
    if not state.tensors and shared.layout == broadcast.initial.layout:
        return shared
    tensors = {**broadcast.initial.tensors(), **shared.tensors(), **state.tensors}
    return broadcast.initial.layout.params(tensors)


def remembered(params: Params, roles: frozenset[Role]) -> State:
    """The personal part of a client's model, by name, copied."""
    own = params.select(params.layout.where(lambda spec: spec.role in roles))
    return State({name: tensor.clone() for name, tensor in own.tensors().items()})


def as_it_stands(broadcast: Broadcast, state: State) -> Program[Params]:
    """The program of a client that predicts with its model without more training."""
    yield from ()
    return whole(broadcast, state)
