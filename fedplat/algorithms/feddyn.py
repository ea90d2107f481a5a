"""FedDyn: a dynamic regulariser that makes the clients' optima agree with the federation's."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from fedplat import check
from fedplat.algorithms.program import train
from fedplat.algorithms.update import advance, idle, learned, mean_step, nothing, trainable
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
class FedDyn:
    """Clients minimise L(w) − ⟨gᵢ, w⟩ + alpha/2 · ‖w − global‖², with gᵢ ← gᵢ − alpha · update.

    At the minimum gᵢ is the client's gradient, so the global model rests only where these cancel.
    The server keeps h ← h − alpha · (sum of updates) / (registered clients) and steps by
    mean update − h / alpha.

    Source: Acar et al. 2021, "Federated Learning Based on Dynamic Regularization", Algorithm 1.
    arXiv:2111.04263   Deviates: the minimum is approached by the scenario's local training, as in
    the paper's experiments; buffers take the plain mean.  Clients weigh equally, as published.
    """

    personal: ClassVar[frozenset[Role]] = frozenset()
    stateful: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset({"proximal", "correction"})
    extra_kinds: ClassVar[Mapping[str, ExtraKind]] = {}

    alpha: float

    def __post_init__(self) -> None:
        check.positive(alpha=self.alpha)

    def init(self, params: Params) -> ServerState:
        return ServerState(params, kept={"h": nothing(params)})

    def client(self, broadcast: Broadcast, state: State, samples: int) -> ClientProgram:
        if samples == 0:
            return idle(broadcast, state)
        gradient = state.tensors.get("gradient", nothing(broadcast.params))
        near = Proximal(self.alpha, trainable(broadcast.params))
        request = LocalTraining(broadcast.params, proximal=near, correction=-gradient)
        trained = yield from train(request)
        result = learned(broadcast, trained, weight=1.0)
        moved = gradient - self.alpha * result.update[: len(gradient)]
        return replace(result, state=State({"gradient": moved}))

    def server(self, state: ServerState, aggregate: Aggregate) -> ServerState:
        mean = mean_step(state.params, aggregate)
        share = aggregate.num_clients / aggregate.num_registered
        h = state.kept["h"] - self.alpha * share * mean
        params = advance(state.params, aggregate, mean - h / self.alpha)
        return ServerState(params, kept={"h": h})
