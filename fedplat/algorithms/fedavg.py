"""FedAvg: clients train, the server averages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fedplat import check
from fedplat.algorithms.program import Program, train
from fedplat.algorithms.update import advance, idle, learned, mean_step
from fedplat.params import Params
from fedplat.protocols import (
    Aggregate,
    Broadcast,
    ClientProgram,
    ClientResult,
    ExtraKind,
    LocalTraining,
    ServerState,
)
from fedplat.types import Role, State


@dataclass(frozen=True, slots=True)
class FedAvg:
    """Adds the mean of the clients' updates, weighted by their training samples, to the model.

    Guarantees: with one client and server_lr = 1 the global model is that client's model.
    Source: McMahan et al. 2017, "Communication-Efficient Learning of Deep Networks from
    Decentralized Data", Algorithm 1.  arXiv:1602.05629   Deviates: `server_lr` scales the mean
    update (Reddi et al. 2021, Algorithm 1); at 1 it is the paper's average of models.
    """

    personal: ClassVar[frozenset[Role]] = frozenset()
    stateful: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset()
    extra_kinds: ClassVar[Mapping[str, ExtraKind]] = {}

    server_lr: float = 1.0

    def __post_init__(self) -> None:
        check.positive(server_lr=self.server_lr)

    def init(self, params: Params) -> ServerState:
        return ServerState(params)

    def client(self, broadcast: Broadcast, state: State, samples: int) -> ClientProgram:
        return plain_client(broadcast, state, samples)

    def server(self, state: ServerState, aggregate: Aggregate) -> ServerState:
        step = mean_step(state.params, aggregate)
        if self.server_lr != 1:  # a copy as large as the model
            step = self.server_lr * step
        return ServerState(advance(state.params, aggregate, step))


def plain_client(broadcast: Broadcast, state: State, samples: int) -> Program[ClientResult]:
    """FedAvg's client program, which every algorithm that differs on the server only shares."""
    if samples == 0:
        return idle(broadcast, state)
    trained = yield from train(LocalTraining(broadcast.params))
    return learned(broadcast, trained, float(samples))


def plain_server(state: ServerState, aggregate: Aggregate) -> ServerState:
    """FedAvg's server at server_lr = 1, which those that differ on the client only share."""
    step = mean_step(state.params, aggregate)
    return ServerState(advance(state.params, aggregate, step))
