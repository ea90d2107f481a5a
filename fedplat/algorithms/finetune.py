"""Local fine-tuning: FedAvg, after which each client trains the global model a little further."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fedplat import check
from fedplat.algorithms.fedavg import plain_client, plain_server
from fedplat.algorithms.program import train
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
class FineTune:
    """FedAvg; a client predicts with the global model trained on its own data for `epochs` more.

    `epochs` is the scenario's amount of local training unless given.
    Guarantees: the global model is FedAvg's in every bit.
    Source: Yu et al. 2020, "Salvaging Federated Learning by Local Adaptation", §3.1 (fine-tuning
    the whole model).  arXiv:2002.04758   Deviates: nothing.
    """

    personal: ClassVar[frozenset[Role]] = frozenset()
    stateful: ClassVar[bool] = False
    extra_kinds: ClassVar[Mapping[str, ExtraKind]] = {}

    epochs: int | None = None

    def __post_init__(self) -> None:
        if self.epochs is not None:
            check.whole(1, epochs=self.epochs)

    @property
    def needs(self) -> frozenset[str]:
        return frozenset() if self.epochs is None else frozenset({"epochs"})

    def init(self, params: Params) -> ServerState:
        return ServerState(params)

    def client(self, broadcast: Broadcast, state: State, samples: int) -> ClientProgram:
        return plain_client(broadcast, state, samples)

    def server(self, state: ServerState, aggregate: Aggregate) -> ServerState:
        return plain_server(state, aggregate)

    def personalize(self, broadcast: Broadcast, state: State, samples: int) -> PersonalProgram:
        if samples == 0:
            return broadcast.params
        request = LocalTraining(broadcast.params, epochs=self.epochs, stage="finetune")
        return (yield from train(request)).params
