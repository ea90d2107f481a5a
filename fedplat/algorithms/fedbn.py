"""FedBN: normalisation stays at the client."""

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
class FedBN:
    """FedAvg over all but the normalisation layers, whose weights and statistics each client keeps.

    Against shards that differ in their inputs (brightness, scanner, handwriting).
    Guarantees: no tensor of role `norm` is sent.
    Source: Li et al. 2021, "FedBN: Federated Learning on Non-IID Features via Local Batch
    Normalization", Algorithm 1.  arXiv:2102.07623   Deviates: nothing; clients weigh equally, as
    published.  A client that never trained predicts with the initial normalisation.
    """

    personal: ClassVar[frozenset[Role]] = frozenset({"norm"})
    stateful: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset()
    extra_kinds: ClassVar[Mapping[str, ExtraKind]] = {}

    def init(self, params: Params) -> ServerState:
        return ServerState(params)

    def client(self, broadcast: Broadcast, state: State, samples: int) -> ClientProgram:
        if samples == 0:
            return idle(broadcast, state)
        trained = yield from train(LocalTraining(whole(broadcast, state)))
        result = learned(broadcast, trained, weight=1.0)
        return replace(result, state=remembered(trained.params, self.personal))

    def server(self, state: ServerState, aggregate: Aggregate) -> ServerState:
        return plain_server(state, aggregate)

    def personalize(self, broadcast: Broadcast, state: State, samples: int) -> PersonalProgram:
        return as_it_stands(broadcast, state)
