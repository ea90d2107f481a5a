"""q-FedAvg: clients with a high loss count more."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from fedplat import check
from fedplat.algorithms import sgd
from fedplat.algorithms.program import evaluate, train
from fedplat.algorithms.update import advance, idle, learned, mean_step, scaled
from fedplat.errors import TrainingError
from fedplat.params import Params
from fedplat.protocols import (
    Aggregate,
    Broadcast,
    ClientProgram,
    ClientResult,
    ExtraKind,
    LocalEvaluation,
    LocalTraining,
    ServerState,
)
from fedplat.types import Metrics, Role, State


@dataclass(frozen=True, slots=True)
class QFedAvg:
    """Weighs each update by its client's loss to the power q, and the step by how curved that is.

    With F the client's training loss of the global model, Δ its update, L = 1 / lr:
    w ← w + Σ F^q Δ / Σ h,  h = q · F^(q−1) · L · ‖Δ‖² + F^q.
    q = 0 is FedAvg; the larger q is, the more uniform the clients' losses become.

    Guarantees: at q = 0 the plain mean of the updates.
    Edge cases: a client with F = 0 counts nothing unless q = 0; if all have, the model stays.
    Raises: TrainingError, if the learner gives no loss, or a negative one, or F^q is too large.
    Source: Li et al. 2020, "Fair Resource Allocation in Federated Learning", Algorithm 2.
    arXiv:1905.10497   Deviates: numerator and denominator are both divided by L, which changes
    nothing but keeps the update in the model's own scale; the paper samples clients in proportion
    to their data: choose `sampler = "weighted"` for that.  Clients weigh equally, as published.
    """

    personal: ClassVar[frozenset[Role]] = frozenset()
    stateful: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset({sgd.NEED})
    extra_kinds: ClassVar[Mapping[str, ExtraKind]] = {"curvature": "scalar"}

    q: float

    def __post_init__(self) -> None:
        check.non_negative(q=self.q)

    def init(self, params: Params) -> ServerState:
        return ServerState(params)

    def client(self, broadcast: Broadcast, state: State, samples: int) -> ClientProgram:
        if samples == 0:
            return idle(broadcast, state, {"curvature": torch.tensor(0.0)})
        metrics = yield from evaluate(LocalEvaluation(broadcast.params, "train"))
        loss = _loss(metrics, broadcast.round_id)
        trained = yield from train(LocalTraining(broadcast.params))
        result = learned(broadcast, trained, weight=1.0)
        curvature = torch.tensor(self._curvature(loss, result, broadcast))
        weighed = scaled(result, broadcast.params, _power(loss, self.q, broadcast.round_id))
        return replace(weighed, extras={"curvature": curvature})

    def _curvature(self, loss: float, result: ClientResult, broadcast: Broadcast) -> float:
        weight = _power(loss, self.q, broadcast.round_id)
        if loss == 0 or self.q == 0:
            return weight
        step = result.update[: broadcast.params.layout.num_trainable].double()
        return self.q * weight / loss * float(step.square().sum()) / broadcast.settings.lr + weight

    def server(self, state: ServerState, aggregate: Aggregate) -> ServerState:
        mean, curvature = mean_step(state.params, aggregate), aggregate.extras["curvature"]
        step = mean / curvature if curvature > 0 else torch.zeros_like(mean)
        return ServerState(advance(state.params, aggregate, step))


def _loss(metrics: Metrics, round_id: int) -> float:
    loss = metrics["loss"].value if "loss" in metrics else None
    if loss is None or loss < 0:
        raise _refused(round_id, f"q-FedAvg needs a loss >= 0, got {loss}")
    return loss


def _power(loss: float, q: float, round_id: int) -> float:
    try:
        return math.pow(loss, q)
    except OverflowError:
        raise _refused(round_id, f"{loss} to the power {q} is too large: lower q") from None


def _refused(round_id: int, reason: str) -> TrainingError:
    return TrainingError(round_id=round_id, client="?", stage="evaluation", reason=reason)
