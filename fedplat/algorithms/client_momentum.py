"""Momentum at the clients: what each sends is the running mean of its own updates."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from fedplat import check
from fedplat.algorithms.program import Program
from fedplat.params import Params
from fedplat.protocols import (
    Aggregate,
    Algorithm,
    Broadcast,
    ClientResult,
    ExtraKind,
    ServerState,
)
from fedplat.types import Role, State

MOMENTUM = "client_momentum"  # the name of what a client remembers, beside its algorithm's tensors


@dataclass(frozen=True, slots=True)
class ClientMomentum:
    """Sends mₜ = β·mₜ₋₁ + (1 − β)·uₜ in place of a client's update uₜ; m₀ = 0.

    The honest updates come to lie closer to one another from round to round, so that lies have less
    room to hide: robust rules need it where data differ.  Buffers are sent as they are.

    Guarantees: `beta = 0` is `inner`, bit by bit; a client without samples sends nothing, and its
    momentum stays.
    Source: Karimireddy et al. 2021, "Learning from History for Byzantine Robust Optimization",
    Algorithm 2 (worker momentum).  arXiv:2012.10333   Deviates: of updates, where the paper has
    gradients; with one local step of SGD it is the paper's.
    """

    inner: Algorithm
    beta: float

    def __post_init__(self) -> None:
        check.fraction(beta=self.beta)

    @property
    def personal(self) -> frozenset[Role]:
        return self.inner.personal

    @property
    def stateful(self) -> bool:
        return True

    @property
    def needs(self) -> frozenset[str]:
        return self.inner.needs

    @property
    def extra_kinds(self) -> Mapping[str, ExtraKind]:
        return self.inner.extra_kinds

    def init(self, params: Params) -> ServerState:
        return self.inner.init(params)

    def client(self, broadcast: Broadcast, state: State, samples: int) -> Program[ClientResult]:
        mine = {name: tensor for name, tensor in state.tensors.items() if name != MOMENTUM}
        result = yield from self.inner.client(broadcast, State(mine), samples)
        if samples == 0:
            return replace(result, state=state)
        count = broadcast.params.layout.num_trainable
        momentum = (1 - self.beta) * result.update[:count]
        if MOMENTUM in state.tensors:
            momentum += self.beta * state.tensors[MOMENTUM]
        update = torch.cat([momentum, result.update[count:]])
        following = State({**result.state.tensors, MOMENTUM: momentum})
        return replace(result, update=update, state=following)

    def server(self, state: ServerState, aggregate: Aggregate) -> ServerState:
        return self.inner.server(state, aggregate)
