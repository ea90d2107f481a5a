"""FedAdagrad, FedAdam, FedYogi: an adaptive optimizer on the server."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float32
from torch import Tensor

from fedplat import check
from fedplat.algorithms.fedavg import plain_client
from fedplat.algorithms.update import advance, mean_step, nothing
from fedplat.params import Params
from fedplat.protocols import Aggregate, Broadcast, ClientProgram, ExtraKind, ServerState
from fedplat.types import Role, State

Vector = Float32[Tensor, " dim"]


@dataclass(frozen=True, slots=True)
class FedAdagrad:
    """Divides each coordinate's step by the root of the sum of all its squared mean updates.

    With Δ the clients' mean update: m ← beta1 · m + (1 − beta1) · Δ, v ← v + Δ²,
    w ← w + server_lr · m / (√v + tau); v starts at tau².
    Source: Reddi et al. 2021, "Adaptive Federated Optimization", Algorithm 2.  arXiv:2003.00295
    Deviates: the mean is weighted by training samples, as in the paper's experiments; buffers take
    the plain mean.
    """

    personal: ClassVar[frozenset[Role]] = frozenset()
    stateful: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset()
    extra_kinds: ClassVar[Mapping[str, ExtraKind]] = {}

    server_lr: float
    beta1: float = 0.0
    tau: float = 1e-3

    def __post_init__(self) -> None:
        check.positive(server_lr=self.server_lr, tau=self.tau)
        check.fraction(beta1=self.beta1)

    def init(self, params: Params) -> ServerState:
        return _init(params, self.tau)

    def client(self, broadcast: Broadcast, state: State, samples: int) -> ClientProgram:
        return plain_client(broadcast, state, samples)

    def server(self, state: ServerState, aggregate: Aggregate) -> ServerState:
        def second(v: Vector, squared: Vector) -> Vector:
            return v + squared

        return _server(state, aggregate, second, self.server_lr, self.beta1, self.tau)


@dataclass(frozen=True, slots=True)
class FedAdam:
    """Divides each coordinate's step by the root of a decaying mean of its squared mean updates.

    As FedAdagrad, with v ← beta2 · v + (1 − beta2) · Δ².  No bias correction, as published.
    Source and deviations: as FedAdagrad's.
    """

    personal: ClassVar[frozenset[Role]] = frozenset()
    stateful: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset()
    extra_kinds: ClassVar[Mapping[str, ExtraKind]] = {}

    server_lr: float
    beta1: float = 0.9
    beta2: float = 0.99
    tau: float = 1e-3

    def __post_init__(self) -> None:
        check.positive(server_lr=self.server_lr, tau=self.tau)
        check.fraction(beta1=self.beta1, beta2=self.beta2)

    def init(self, params: Params) -> ServerState:
        return _init(params, self.tau)

    def client(self, broadcast: Broadcast, state: State, samples: int) -> ClientProgram:
        return plain_client(broadcast, state, samples)

    def server(self, state: ServerState, aggregate: Aggregate) -> ServerState:
        def second(v: Vector, squared: Vector) -> Vector:
            return self.beta2 * v + (1 - self.beta2) * squared

        return _server(state, aggregate, second, self.server_lr, self.beta1, self.tau)


@dataclass(frozen=True, slots=True)
class FedYogi:
    """FedAdam whose second moment moves towards Δ² by a step that does not grow with the distance.

    As FedAdagrad, with v ← v − (1 − beta2) · Δ² · sign(v − Δ²).
    Guarantees: v stays ≥ 0, if it starts there.
    Source and deviations: as FedAdagrad's.
    """

    personal: ClassVar[frozenset[Role]] = frozenset()
    stateful: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset()
    extra_kinds: ClassVar[Mapping[str, ExtraKind]] = {}

    server_lr: float
    beta1: float = 0.9
    beta2: float = 0.99
    tau: float = 1e-3

    def __post_init__(self) -> None:
        check.positive(server_lr=self.server_lr, tau=self.tau)
        check.fraction(beta1=self.beta1, beta2=self.beta2)

    def init(self, params: Params) -> ServerState:
        return _init(params, self.tau)

    def client(self, broadcast: Broadcast, state: State, samples: int) -> ClientProgram:
        return plain_client(broadcast, state, samples)

    def server(self, state: ServerState, aggregate: Aggregate) -> ServerState:
        def second(v: Vector, squared: Vector) -> Vector:
            return v - (1 - self.beta2) * squared * (v - squared).sign()

        return _server(state, aggregate, second, self.server_lr, self.beta1, self.tau)


def _init(params: Params, tau: float) -> ServerState:
    zeros = nothing(params)
    return ServerState(params, kept={"first": zeros, "second": torch.full_like(zeros, tau**2)})


def _server(
    state: ServerState,
    aggregate: Aggregate,
    second: Callable[[Vector, Vector], Vector],
    server_lr: float,
    beta1: float,
    tau: float,
) -> ServerState:
    mean = mean_step(state.params, aggregate)
    m = beta1 * state.kept["first"] + (1 - beta1) * mean
    v = second(state.kept["second"], mean.square())
    params = advance(state.params, aggregate, server_lr * m / (v.sqrt() + tau))
    return ServerState(params, kept={"first": m, "second": v})
