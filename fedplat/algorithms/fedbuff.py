"""FedBuff: the server steps whenever its buffer is full, whoever has filled it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from fedplat import check
from fedplat.algorithms.fedavg import plain_client
from fedplat.algorithms.program import Program
from fedplat.algorithms.update import advance, mean_step
from fedplat.params import Params
from fedplat.protocols import (
    Aggregate,
    Broadcast,
    ClientProgram,
    ClientResult,
    ExtraKind,
    ServerState,
)
from fedplat.types import Role, State


@dataclass(frozen=True, slots=True)
class FedBuff:
    """Adds the mean of a buffer of updates, however stale each, to the model.

    The buffer is `clients.per_round` (the paper's K), the clients at work `clients.concurrency`;
    the engine keeps them, and scales each update by `clients.staleness`.

    Guarantees: without stale updates a round is FedAvg's with equally large clients.
    Source: Nguyen et al. 2022, "Federated Learning with Buffered Asynchronous Aggregation",
    Algorithm 1 (`server_lr` is its η_g) and §5 for the scaling.  arXiv:2106.06639   Deviates: the
    mean of tensors beside the flat vector (integer buffers) is normalised by the scaled weights;
    a client is asked at most once a version, and its update never comes twice into one buffer.
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
        return _alike(plain_client(broadcast, state, samples))

    def server(self, state: ServerState, aggregate: Aggregate) -> ServerState:
        step = self.server_lr * mean_step(state.params, aggregate)
        return ServerState(advance(state.params, aggregate, step))


def _alike(program: Program[ClientResult]) -> Program[ClientResult]:
    """The same result with the weight 1, if its client has trained at all."""
    result = yield from program
    return replace(result, weight=min(1.0, result.weight))
