"""FedAvgM: momentum on the server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fedplat import check
from fedplat.algorithms.fedavg import plain_client
from fedplat.algorithms.update import advance, mean_step, nothing
from fedplat.params import Params
from fedplat.protocols import Aggregate, Broadcast, ClientProgram, ExtraKind, ServerState
from fedplat.types import Role, State


@dataclass(frozen=True, slots=True)
class FedAvgM:
    """FedAvg whose server gathers the mean updates in a velocity, v ← momentum · v + mean.

    Guarantees: at momentum = 0 and server_lr = 1 equal to FedAvg in every bit.
    Source: Hsu et al. 2019, "Measuring the Effects of Non-Identical Data Distribution for Federated
    Visual Classification", §4.3.  arXiv:1909.06335   Deviates: `server_lr` scales the velocity
    (1 in the paper's formula).
    """

    personal: ClassVar[frozenset[Role]] = frozenset()
    stateful: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset()
    extra_kinds: ClassVar[Mapping[str, ExtraKind]] = {}

    momentum: float = 0.9
    server_lr: float = 1.0

    def __post_init__(self) -> None:
        check.fraction(momentum=self.momentum)
        check.positive(server_lr=self.server_lr)

    def init(self, params: Params) -> ServerState:
        return ServerState(params, kept={"velocity": nothing(params)})

    def client(self, broadcast: Broadcast, state: State, samples: int) -> ClientProgram:
        return plain_client(broadcast, state, samples)

    def server(self, state: ServerState, aggregate: Aggregate) -> ServerState:
        mean = mean_step(state.params, aggregate)
        velocity = self.momentum * state.kept["velocity"] + mean
        params = advance(state.params, aggregate, self.server_lr * velocity)
        return ServerState(params, kept={"velocity": velocity})
