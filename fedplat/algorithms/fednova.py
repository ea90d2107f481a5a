"""FedNova: clients that make unlike numbers of steps pull equally hard."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from fedplat.algorithms import sgd
from fedplat.algorithms.program import train
from fedplat.algorithms.update import advance, idle, learned, mean_step, scaled
from fedplat.params import Params
from fedplat.protocols import (
    Aggregate,
    Broadcast,
    ClientProgram,
    ExtraKind,
    LocalTraining,
    ServerState,
)
from fedplat.types import Role, State


@dataclass(frozen=True, slots=True)
class FedNova:
    """Averages the updates per effective local step, then makes the mean number of such steps.

    FedAvg minimises another objective than the clients' weighted loss when they make unlike numbers
    of steps: those that make more weigh more.  With τᵢ client i's effective steps and pᵢ its share
    of the samples: w ← w + (Σ pᵢ τᵢ) · Σ pᵢ (Δᵢ / τᵢ).

    Guarantees: if all clients make equally many steps, FedAvg up to rounding.
    Raises: ValueError from `client`, unless the local optimizer is SGD.
    Source: Wang et al. 2020, "Tackling the Objective Inconsistency Problem in Heterogeneous
    Federated Optimization", eq. (4), §4.1 for local momentum.  arXiv:2007.07481   Deviates: buffers
    are averaged as they are.
    """

    personal: ClassVar[frozenset[Role]] = frozenset()
    stateful: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset({sgd.NEED})
    extra_kinds: ClassVar[Mapping[str, ExtraKind]] = {"effective_steps": "scalar"}

    def init(self, params: Params) -> ServerState:
        return ServerState(params)

    def client(self, broadcast: Broadcast, state: State, samples: int) -> ClientProgram:
        if samples == 0:
            return idle(broadcast, state, {"effective_steps": torch.tensor(0.0)})
        trained = yield from train(LocalTraining(broadcast.params))
        steps = sgd.effective_steps(broadcast.settings, trained.steps)
        result = learned(broadcast, trained, float(samples))
        mean = scaled(result, broadcast.params, 1 / steps if steps else 0.0)
        return replace(mean, extras={"effective_steps": torch.tensor(float(steps))})

    def server(self, state: ServerState, aggregate: Aggregate) -> ServerState:
        step = aggregate.extras["effective_steps"] * mean_step(state.params, aggregate)
        return ServerState(advance(state.params, aggregate, step))
