"""FedPer: shared layers below, a head of its own at each client."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from fedplat.algorithms.fedavg import plain_server
from fedplat.algorithms.personal import as_it_stands, remembered, whole
from fedplat.algorithms.program import train
from fedplat.algorithms.update import idle, learned
from fedplat.params import Params
from fedplat.protocols import (
    Aggregate,
    Broadcast,
    ClientProgram,
    ExtraKind,
    LocalTraining,
    PersonalProgram,
    ServerState,
)
from fedplat.types import Role, State


@dataclass(frozen=True, slots=True)
class FedPer:
    """FedAvg over all but the head, which each client keeps; both are trained together.

    Against shards that differ in their labels.
    Guarantees: no tensor of role `head` is sent.
    Source: Arivazhagan et al. 2019, "Federated Learning with Personalization Layers", Algorithms 1
    and 2.  arXiv:1912.00818   Deviates: the head is the model's output layer; the paper lets one
    choose how many layers are personal.  A client that never trained has the initial head.
    """

    personal: ClassVar[frozenset[Role]] = frozenset({"head"})
    stateful: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset()
    extra_kinds: ClassVar[Mapping[str, ExtraKind]] = {}

    def init(self, params: Params) -> ServerState:
        return ServerState(params)

    def client(self, broadcast: Broadcast, state: State, samples: int) -> ClientProgram:
        if samples == 0:
            return idle(broadcast, state)
        trained = yield from train(LocalTraining(whole(broadcast, state)))
        result = learned(broadcast, trained, float(samples))
        return replace(result, state=remembered(trained.params, self.personal))

    def server(self, state: ServerState, aggregate: Aggregate) -> ServerState:
        return plain_server(state, aggregate)

    def personalize(self, broadcast: Broadcast, state: State, samples: int) -> PersonalProgram:
        return as_it_stands(broadcast, state)
