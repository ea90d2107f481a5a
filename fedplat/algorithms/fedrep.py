"""FedRep: first the client's own head, then one round of the shared representation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from fedplat import check
from fedplat.algorithms.fedavg import plain_server
from fedplat.algorithms.personal import as_it_stands, remembered, whole
from fedplat.algorithms.program import Program, train
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
    Trained,
)
from fedplat.types import Role, State

BODY: frozenset[Role] = frozenset({"weight", "norm"})


@dataclass(frozen=True, slots=True)
class FedRep:
    """Trains the head on the received body for `head_epochs`, then the body under the new head.

    `body_epochs` is the scenario's amount of local training unless given.
    Guarantees: no tensor of role `head` is sent; a client predicts with a head that was trained
    under the very body that it has.
    Source: Collins et al. 2021, "Exploiting Shared Representations for Personalized Federated
    Learning", Algorithm 1.  arXiv:2102.07078   Deviates: the head is the model's output layer, and
    is trained by the scenario's optimizer.  Clients weigh equally, as published.
    """

    personal: ClassVar[frozenset[Role]] = frozenset({"head"})
    stateful: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset({"roles", "epochs"})
    extra_kinds: ClassVar[Mapping[str, ExtraKind]] = {}

    head_epochs: int
    body_epochs: int | None = None

    def __post_init__(self) -> None:
        check.whole(1, head_epochs=self.head_epochs)
        if self.body_epochs is not None:
            check.whole(1, body_epochs=self.body_epochs)

    def init(self, params: Params) -> ServerState:
        return ServerState(params)

    def client(self, broadcast: Broadcast, state: State, samples: int) -> ClientProgram:
        if samples == 0:
            return idle(broadcast, state)
        headed = yield from self._head(broadcast, state)
        body = LocalTraining(headed.params, roles=BODY, epochs=self.body_epochs, stage="body")
        trained = yield from train(body)
        result = learned(broadcast, trained, weight=1.0)
        return replace(result, state=remembered(trained.params, self.personal))

    def server(self, state: ServerState, aggregate: Aggregate) -> ServerState:
        return plain_server(state, aggregate)

    def personalize(self, broadcast: Broadcast, state: State, samples: int) -> PersonalProgram:
        if samples == 0:
            return (yield from as_it_stands(broadcast, state))
        return (yield from self._head(broadcast, state)).params

    def _head(self, broadcast: Broadcast, state: State) -> Program[Trained]:
        start, epochs = whole(broadcast, state), self.head_epochs
        return train(LocalTraining(start, roles=self.personal, epochs=epochs, stage="head"))
