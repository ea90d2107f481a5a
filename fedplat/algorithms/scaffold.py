"""SCAFFOLD: control variates against client drift."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from fedplat import check
from fedplat.algorithms import sgd
from fedplat.algorithms.program import train
from fedplat.algorithms.update import advance, idle, learned, mean_step, nothing
from fedplat.params import Params
from fedplat.protocols import (
    Aggregate,
    Broadcast,
    ClientProgram,
    ExtraKind,
    LocalTraining,
    ServerState,
)
from fedplat.types import Role, State


@dataclass(frozen=True, slots=True)
class Scaffold:
    """Corrects each local step by the difference of the server's and the client's control.

    Client i steps along g − cᵢ + c; afterwards cᵢ⁺ = cᵢ − c + (global − trained) / (K · lr), its
    mean gradient of this round.  The server steps by server_lr · mean update and keeps c at the
    mean of all registered clients' controls.

    Guarantees: in the first round equal to FedAvg with equal weights; where all clients' gradients
    cancel, full-batch clients stay put whatever the number of local steps is.
    Raises: ValueError from `client`, unless the local optimizer is SGD.
    Source: Karimireddy et al. 2020, "SCAFFOLD: Stochastic Controlled Averaging for Federated
    Learning", Algorithm 1, Option II.  arXiv:1910.06378   Deviates: with local momentum K is
    replaced by the effective number of steps, so that cᵢ stays a mean of gradients.  Clients weigh
    equally, as published.
    """

    personal: ClassVar[frozenset[Role]] = frozenset()
    stateful: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset({"correction", sgd.NEED})
    extra_kinds: ClassVar[Mapping[str, ExtraKind]] = {"control": "vector"}

    server_lr: float = 1.0

    def __post_init__(self) -> None:
        check.positive(server_lr=self.server_lr)

    def init(self, params: Params) -> ServerState:
        return ServerState(params, down={"control": nothing(params)})

    def client(self, broadcast: Broadcast, state: State, samples: int) -> ClientProgram:
        zeros = nothing(broadcast.params)
        common = broadcast.down["control"]
        own = state.tensors.get("control", zeros)
        if samples == 0:
            return idle(broadcast, state, {"control": zeros})
        trained = yield from train(LocalTraining(broadcast.params, correction=common - own))
        result = learned(broadcast, trained, weight=1.0)
        steps = sgd.effective_steps(broadcast.settings, trained.steps)
        change = zeros
        if steps > 0:
            change = -common - result.update[: len(zeros)] / (steps * broadcast.settings.lr)
        return replace(result, extras={"control": change}, state=State({"control": own + change}))

    def server(self, state: ServerState, aggregate: Aggregate) -> ServerState:
        step = self.server_lr * mean_step(state.params, aggregate)
        share = aggregate.num_clients / aggregate.num_registered
        control = state.down["control"] + share * aggregate.extras["control"]
        return ServerState(advance(state.params, aggregate, step), down={"control": control})
