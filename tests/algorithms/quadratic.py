"""An exact learner for tests: each sample is a quadratic ½·Σ aⱼ(wⱼ − bⱼ)², steps are full-batch.

And the smallest federation: a plain loop over rounds and clients, means in float64.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fedplat import rng
from fedplat.algorithms.program import run_program
from fedplat.params import Layout, Params
from fedplat.protocols import (
    Aggregate,
    Algorithm,
    Broadcast,
    ClientResult,
    Learner,
    LocalTraining,
    ServerState,
    Trained,
)
from fedplat.types import ClientData, Dataset, Mean, Metrics, State, TensorSpec, TrainSettings

# the keys without defaults, which a part has to give
REQUIRED = {
    "ditto": {"lam": 0.1},
    "fedadagrad": {"server_lr": 0.1},
    "fedadam": {"server_lr": 0.1},
    "feddyn": {"alpha": 0.1},
    "fedprox": {"mu": 0.1},
    "fedrep": {"head_epochs": 1},
    "fedyogi": {"server_lr": 0.1},
    "qfedavg": {"q": 1.0},
}
PLAIN = Layout.of([TensorSpec("w", torch.float32, (2,))])
ROLES = Layout.of(
    [
        TensorSpec("body", torch.float32, (2,)),
        TensorSpec("classifier", torch.float32, (2,), role="head"),
        TensorSpec("norm.count", torch.int64, (), trainable=False, role="norm"),
        TensorSpec("norm.mean", torch.float32, (1,), trainable=False, role="norm"),
        TensorSpec("norm.scale", torch.float32, (1,), role="norm"),
    ]
)
STATISTICS = Layout.of(
    [
        TensorSpec("w", torch.float32, (2,)),
        TensorSpec("mean", torch.float32, (1,), trainable=False),
        TensorSpec("count", torch.int64, (), trainable=False),
    ]
)


@dataclass(frozen=True)
class Quadratic:
    """Gradient descent on a client's mean quadratic; `noise` disturbs each gradient by its seed.

    Buffers follow the mean of the samples' first centre; an int64 counter counts steps.
    """

    settings: TrainSettings
    layout: Layout = PLAIN
    noise: float = 0.0
    supports: frozenset[str] = frozenset({"proximal", "correction", "roles", "epochs", "sgd"})

    def initial(self) -> Params:
        zeros = {s.name: torch.zeros(s.shape, dtype=s.dtype) for s in self.layout.specs}
        return self.layout.params(zeros)

    def train(self, request: LocalTraining, data: Dataset, seed: int) -> Trained:
        steps = self.settings.num_steps(len(data))
        if request.epochs is not None:
            steps = request.epochs * -(-len(data) // self.settings.batch_size)
        generator, count = torch.Generator().manual_seed(seed), self.layout.num_trainable
        vector = request.start.vector.clone()
        weights, moving = vector[:count], self._moving(request)
        velocity, losses = torch.zeros(count), 0.0
        for _ in range(steps):
            losses += float(_losses(weights, data).mean())
            gradient = _gradient(weights, data)
            gradient += self.noise * torch.randn(count, generator=generator)
            if request.proximal is not None:
                gradient += request.proximal.weight * (weights - request.proximal.anchor)
            if request.correction is not None:
                gradient += request.correction
            velocity = self.settings.momentum * velocity + gradient * moving
            weights -= self.settings.lr * velocity
            vector[count:] += 0.5 * (data.inputs[:, :1].mean() - vector[count:])
        beside = {n: t + steps for n, t in request.start.beside.items()}
        metrics = {"train_loss": Mean.of(losses, steps)}
        return Trained(Params(request.start.layout, vector, beside), steps, metrics)

    def evaluate(self, params: Params, data: Dataset) -> Metrics:
        weights = params.vector[: self.layout.num_trainable]
        return {"loss": Mean.of(float(_losses(weights, data).sum()), len(data))}

    def _moving(self, request: LocalTraining) -> Tensor:
        pieces = [
            torch.full((s.numel,), float(request.roles is None or s.role in request.roles))
            for s in self.layout.flat
            if s.trainable
        ]
        return torch.cat(pieces)


def _losses(weights: Tensor, data: Dataset) -> Tensor:
    return 0.5 * (data.targets * (weights - data.inputs).square()).sum(dim=1)


def _gradient(weights: Tensor, data: Dataset) -> Tensor:
    return (data.targets * (weights - data.inputs)).mean(dim=0)


def samples(curvature: Sequence[float], centre: Sequence[float], count: int = 1) -> ClientData:
    """A client whose mean loss is ½·Σ curvatureⱼ(wⱼ − centreⱼ)², in `count` equal samples."""
    inputs = torch.tensor(centre, dtype=torch.float32).repeat(count, 1)
    targets = torch.tensor(curvature, dtype=torch.float32).repeat(count, 1)
    data = Dataset(inputs, targets, "regression")
    return ClientData(data, data, data)


@dataclass
class Federation:
    """Every client takes part in every round, unless `cohorts` says who does."""

    algorithm: Algorithm
    learner: Learner
    clients: Sequence[ClientData]
    seed: int = 1
    cohorts: Sequence[Sequence[int]] | None = None
    states: dict[int, State] = field(default_factory=dict)
    results: list[ClientResult] = field(default_factory=list)

    def run(self, rounds: int) -> ServerState:
        initial = self.learner.initial()
        shared = initial.layout.where(lambda spec: spec.role not in self.algorithm.personal)
        state = self.algorithm.init(initial.select(shared))
        for round_id in range(1, rounds + 1):
            state = self.round(state, round_id)
        return state

    def broadcast(self, state: ServerState, round_id: int) -> Broadcast:
        initial = self.learner.initial()
        return Broadcast(round_id, state.params, state.down, initial, self.learner.settings)

    def round(self, state: ServerState, round_id: int) -> ServerState:
        cohort = range(len(self.clients)) if self.cohorts is None else self.cohorts[round_id - 1]
        self.results = [self._client(state, round_id, client) for client in cohort]
        for client, result in zip(cohort, self.results, strict=True):
            self.states[client] = result.state
        return self.algorithm.server(state, mean(self.results, len(self.clients)))

    def _client(self, state: ServerState, round_id: int, client: int) -> ClientResult:
        data, remembered = self.clients[client], self.states.get(client, State())
        broadcast = self.broadcast(state, round_id)
        program = self.algorithm.client(broadcast, remembered, len(data.train))
        return run_program(program, self.learner, data, self._seed(client, round_id))

    def _seed(self, client: int, round_id: int) -> int:
        return rng.derive(self.seed, "client", client, "round", round_id)

    def personal(self, state: ServerState, client: int) -> Params:
        """The model that `client` predicts with."""
        data, remembered = self.clients[client], self.states.get(client, State())
        broadcast = self.broadcast(state, 0)
        program = self.algorithm.personalize(broadcast, remembered, len(data.train))
        return run_program(program, self.learner, data, self._seed(client, 0))


def mean(results: Sequence[ClientResult], registered: int) -> Aggregate:
    """The weighted means of what clients sent, in float64, the update back in float32."""
    weights = torch.tensor([result.weight for result in results], dtype=torch.float64)
    shares = weights / weights.sum()

    def of(tensors: list[Tensor]) -> Tensor:
        stacked = torch.stack([tensor.double() for tensor in tensors])
        return (shares.view(-1, *[1] * (stacked.dim() - 1)) * stacked).sum(dim=0)

    update = of([result.update for result in results]).float()
    beside = {n: of([r.beside[n] for r in results]) for n in results[0].beside}
    extras = {n: of([r.extras[n] for r in results]).float() for n in results[0].extras}
    return Aggregate(update, beside, extras, len(results), registered)
