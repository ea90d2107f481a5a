"""Ditto: FedAvg, and beside it a personal model that is drawn towards the global one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from fedplat import check
from fedplat.algorithms.fedavg import plain_server
from fedplat.algorithms.personal import remembered
from fedplat.algorithms.program import train
from fedplat.algorithms.update import idle, learned, trainable
from fedplat.params import Params
from fedplat.protocols import (
    Aggregate,
    Broadcast,
    ClientProgram,
    ExtraKind,
    LocalTraining,
    PersonalProgram,
    Proximal,
    ServerState,
)
from fedplat.types import Role, State

EVERY: frozenset[Role] = frozenset({"weight", "norm", "head"})


@dataclass(frozen=True, slots=True)
class Ditto:
    """Trains the global model as FedAvg, and a personal v on F(v) + lam/2 · ‖v − global‖².

    lam = 0 is local training alone; the larger lam is, the nearer v stays to the global model.
    `personal_epochs` is the scenario's amount of local training unless given.

    Guarantees: the global model is FedAvg's in every bit.
    Edge cases: a client that never took part predicts with the global model.
    Source: Li et al. 2021, "Ditto: Fair and Robust Federated Learning Through Personalization",
    Algorithm 1.  arXiv:2012.04221   Deviates: v starts from the initial model, the mean is weighted
    by training samples (the paper leaves the global solver open and averages plainly in its
    listing).
    """

    personal: ClassVar[frozenset[Role]] = frozenset()
    stateful: ClassVar[bool] = True
    extra_kinds: ClassVar[Mapping[str, ExtraKind]] = {}

    lam: float
    personal_epochs: int | None = None

    def __post_init__(self) -> None:
        check.non_negative(lam=self.lam)
        if self.personal_epochs is not None:
            check.whole(1, personal_epochs=self.personal_epochs)

    @property
    def needs(self) -> frozenset[str]:
        epochs = frozenset() if self.personal_epochs is None else frozenset({"epochs"})
        return epochs | {"proximal"}

    def init(self, params: Params) -> ServerState:
        return ServerState(params)

    def client(self, broadcast: Broadcast, state: State, samples: int) -> ClientProgram:
        if samples == 0:
            return idle(broadcast, state)
        trained = yield from train(LocalTraining(broadcast.params))
        own = yield from train(self._own(broadcast, state))
        result = learned(broadcast, trained, float(samples))
        return replace(result, state=remembered(own.params, EVERY))

    def server(self, state: ServerState, aggregate: Aggregate) -> ServerState:
        return plain_server(state, aggregate)

    def personalize(self, broadcast: Broadcast, state: State, samples: int) -> PersonalProgram:
        yield from ()
        return _model(state, broadcast.params)

    def _own(self, broadcast: Broadcast, state: State) -> LocalTraining:
        near = Proximal(self.lam, trainable(broadcast.params)) if self.lam else None
        start = _model(state, broadcast.initial)
        return LocalTraining(start, near, epochs=self.personal_epochs, stage="personal")


def _model(state: State, otherwise: Params) -> Params:
    return otherwise.layout.params(state.tensors) if state.tensors else otherwise
