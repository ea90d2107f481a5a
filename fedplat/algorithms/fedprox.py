"""FedProx: clients that stay near the global model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fedplat import check
from fedplat.algorithms.fedavg import plain_server
from fedplat.algorithms.program import train
from fedplat.algorithms.update import idle, learned, trainable
from fedplat.params import Params
from fedplat.protocols import (
    Aggregate,
    Broadcast,
    ClientProgram,
    ExtraKind,
    LocalTraining,
    Proximal,
    ServerState,
)
from fedplat.types import Role, State


@dataclass(frozen=True, slots=True)
class FedProx:
    """FedAvg whose clients minimise F(w) + mu/2 · ‖w − global‖².

    Guarantees: at mu = 0 equal to FedAvg in every bit.
    Source: Li et al. 2020, "Federated Optimization in Heterogeneous Networks", Algorithm 2.
    arXiv:1812.06127   Deviates: the paper samples clients in proportion to their data and averages
    plainly; here the sampler is the scenario's and the mean is weighted by training samples.
    """

    personal: ClassVar[frozenset[Role]] = frozenset()
    stateful: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset({"proximal"})
    extra_kinds: ClassVar[Mapping[str, ExtraKind]] = {}

    mu: float

    def __post_init__(self) -> None:
        check.non_negative(mu=self.mu)

    def init(self, params: Params) -> ServerState:
        return ServerState(params)

    def client(self, broadcast: Broadcast, state: State, samples: int) -> ClientProgram:
        if samples == 0:
            return idle(broadcast, state)
        near = Proximal(self.mu, trainable(broadcast.params)) if self.mu else None
        trained = yield from train(LocalTraining(broadcast.params, proximal=near))
        return learned(broadcast, trained, float(samples))

    def server(self, state: ServerState, aggregate: Aggregate) -> ServerState:
        return plain_server(state, aggregate)
