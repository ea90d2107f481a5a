"""START HERE.  The ideas that fedplat is made of, one protocol each, at most three methods.

A federation is an `Algorithm` over a `Learner`: the coordinator broadcasts, each client runs the
algorithm's `client` program on its own data, a `Codec` makes bytes of the update, a `FoldRule`
makes one aggregate of the accepted updates, the algorithm's `server` makes the next state of it.
Everything here is pure: state goes in and comes out, randomness comes from named streams
(`fedplat.rng`), and nothing knows whether it runs in a simulation or in a daemon.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar, runtime_checkable

from jaxtyping import Float32, Int64
from torch import Tensor

from fedplat.params import Layout, Params
from fedplat.types import (
    ClientData,
    ClientId,
    Dataset,
    Metrics,
    Role,
    Split,
    State,
    Tensors,
    TrainSettings,
)

Vector = Float32[Tensor, " dim"]


# ── what a client can be asked to compute ────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False)
class Proximal:
    """Adds `weight`/2 · ‖w − `anchor`‖² to the local loss; `anchor` is (num_trainable,)."""

    weight: float
    anchor: Vector


@dataclass(frozen=True, slots=True, eq=False)
class LocalTraining:
    """Asks for local training: from `start`, minimise the local loss with these modifications.

    Each step's gradient is ∇f(w) + proximal.weight · (w − proximal.anchor) + `correction`.
    `roles` freezes every parameter of another role; `epochs` replaces the settings' amount of work;
    `stage` names the random stream, so that two trainings of one client in one round differ.

    Shapes: `correction` (num_trainable,) of `start`'s layout.
    """

    start: Params
    proximal: Proximal | None = None
    correction: Vector | None = None
    roles: frozenset[Role] | None = None
    epochs: int | None = None
    stage: str = "train"


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """The answer to `LocalTraining`.  `steps` were made; `metrics` has the mean training loss."""

    params: Params
    steps: int
    metrics: Metrics = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class LocalEvaluation:
    """Asks for the metrics of `params` on one of the client's splits; the answer is `Metrics`."""

    params: Params
    split: Split


@runtime_checkable
class Learner(Protocol):
    """What a client computes on its data: a model, a loss and an optimizer, whoever wrote them.

    `supports` names the parts of `LocalTraining` that it obeys ("proximal", "correction", "roles",
    "epochs"), and "sgd" if each step is one of plain SGD, by `settings.lr` and `settings.momentum`,
    and is counted; so that a scenario which needs another one is refused when it is loaded.
    """

    @property
    def supports(self) -> frozenset[str]: ...

    def initial(self) -> Params:
        """The model that every client and the coordinator start from; a function of the seed."""

    def train(self, request: LocalTraining, data: Dataset, seed: int) -> Trained:
        """Raises: DivergenceError, if a loss is not finite; names the local step."""

    def evaluate(self, params: Params, data: Dataset) -> Metrics:
        """Counts and sums over `data`: `loss`, and `accuracy` or `squared_error`."""


@runtime_checkable
class ChunkedLearner(Protocol):
    """A learner whose evaluation can be shared among processes, by fixed chunks of the data."""

    def evaluate_chunks(self, params: Params, data: Dataset, first: int, last: int) -> Metrics:
        """The metrics of chunks `first` to `last` (exclusive); merged over all, `evaluate`'s."""


@runtime_checkable
class PlacedLearner(Learner, Protocol):
    """A learner that wants to know whom it works for: it tells the user's own code."""

    def at(self, client: ClientId, round_id: int) -> Learner: ...


# ── the federation's mathematics ─────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False)
class ServerState:
    """What the coordinator carries from round to round.

    `params` is the global model in the *shared* layout (without personal tensors).  `down` are
    vectors that travel to the clients with it, `kept` are tensors that stay (moments, counters).
    """

    params: Params
    down: Tensors = field(default_factory=dict)
    kept: Tensors = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Broadcast:
    """What a client is given: the round, the global model, and what else the algorithm sends down.

    `initial` is the whole initial model (personal tensors included), which every client can rebuild
    from the seed, so it never travels.
    """

    round_id: int
    params: Params
    down: Tensors
    initial: Params
    settings: TrainSettings


@dataclass(frozen=True, slots=True, eq=False)
class ClientResult:
    """What a client's program ends with.

    `update` is client minus global over the shared layout; `beside` are its tensors of other
    dtypes; `extras` are what the algorithm declared in `extra_kinds`; all are folded with `weight`.
    `state` replaces the client's state once the coordinator has acknowledged the update.

    Shapes: `update` (dim,) of the shared layout; a "vector" extra (num_trainable,) of it; a
    "scalar" extra () float32.
    """

    update: Vector
    weight: float
    metrics: Metrics = field(default_factory=dict)
    beside: Tensors = field(default_factory=dict)
    extras: Tensors = field(default_factory=dict)
    state: State = field(default_factory=State)


@dataclass(frozen=True, slots=True, eq=False)
class Aggregate:
    """The weighted means over a round's accepted clients.

    `num_clients` were accepted, with a weight above zero, of `num_registered` in the federation.
    """

    update: Vector
    beside: Tensors
    extras: Tensors
    num_clients: int
    num_registered: int


ClientRequest = LocalTraining | LocalEvaluation
ClientProgram = Generator[ClientRequest, "Trained | Metrics", ClientResult]
PersonalProgram = Generator[ClientRequest, "Trained | Metrics", Params]
ExtraKind = Literal["vector", "scalar"]


@runtime_checkable
class Algorithm(Protocol):
    """A federated algorithm as three pure functions.

    `client` is a generator: it yields what it wants computed and is sent the answer, so the same
    program runs alone, in a process pool, as one of many in a cohort, or over a user's own training
    code.  `personal` names the roles that never leave a client; `stateful` says that a client
    remembers something; `needs` names the parts of `LocalTraining` that it uses.
    """

    @property
    def personal(self) -> frozenset[Role]: ...
    @property
    def stateful(self) -> bool: ...
    @property
    def needs(self) -> frozenset[str]: ...
    @property
    def extra_kinds(self) -> Mapping[str, ExtraKind]: ...

    def init(self, params: Params) -> ServerState: ...

    def client(self, broadcast: Broadcast, state: State, samples: int) -> ClientProgram: ...

    def server(self, state: ServerState, aggregate: Aggregate) -> ServerState: ...


@runtime_checkable
class Personalized(Protocol):
    """An algorithm whose clients predict with a model of their own.

    `personalize` is a program like `Algorithm.client`; it ends with the whole model (every layout
    tensor) that a client with `state` would use, given the global one.
    """

    def personalize(self, broadcast: Broadcast, state: State, samples: int) -> PersonalProgram: ...


# ── bytes ────────────────────────────────────────────────────────────────────────────────────────

CodecState = TypeVar("CodecState")


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an encoded update is of: its random stream, its round and what it is relative to.

    `base` is the beginning of the broadcast's digest, as a number of 64 bits.
    """

    seed: int = 0
    round_id: int = 0
    base: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Sparse:
    """A vector of `dim` values that are 0 but at `positions`, which ascend strictly.

    Shapes: `positions` (count,) int64, `values` (count,) float32.
    """

    dim: int
    positions: Int64[Tensor, " count"]
    values: Float32[Tensor, " count"]

    def __len__(self) -> int:
        return self.dim


@runtime_checkable
class Codec(Protocol):
    """Makes bytes of an update, and an update of bytes.  State goes in and comes out.

    `encode`'s new state (a residual, say) takes effect once the coordinator has acknowledged.
    """

    def init(self, layout: Layout) -> State: ...

    def encode(
        self, update: Vector, layout: Layout, state: State, stamp: Stamp
    ) -> tuple[bytes, State]:
        """Raises: DivergenceError, if the codec is lossy and a value is not finite."""

    def decode(self, payload: bytes | memoryview, layout: Layout) -> Vector:
        """Raises: CorruptPayloadError, and nothing else, whatever the bytes are."""


@runtime_checkable
class ColumnCodec(Codec, Protocol):
    """A codec that can decode some columns without the others, so that a fold never holds a row."""

    def decode_columns(
        self, payload: bytes | memoryview, layout: Layout, start: int, stop: int
    ) -> Vector:
        """What `decode` gives from `start` to `stop`, perhaps in the payload's own memory.

        So it is read-only and may start anywhere: for arithmetic element by element.
        Raises: CorruptPayloadError.
        """


@runtime_checkable
class StampedCodec(Codec, Protocol):
    """A codec whose frames say what they are of."""

    def stamp(self, payload: bytes | memoryview, layout: Layout) -> Stamp:
        """Its seed is not in it.  Raises: CorruptPayloadError."""


@runtime_checkable
class SharingCodec(Codec, Protocol):
    """A codec whose clients are told numbers that the coordinator makes of the round before.

    They come down as entries of the codec's state; the largest that a client proposed is taken.
    """

    def shared(self, layout: Layout) -> Tensors:
        """The first values, by their names in the state; none, if nothing is shared."""

    def proposed(self, payload: bytes | memoryview, layout: Layout) -> Tensors:
        """Raises: CorruptPayloadError."""


@runtime_checkable
class SparseCodec(Codec, Protocol):
    """A codec whose updates may be mostly zeros: what is folded is only what is there."""

    def decode_sparse(self, payload: bytes | memoryview, layout: Layout) -> Vector | Sparse:
        """What `decode` gives.  Raises: CorruptPayloadError."""


# ── aggregation ──────────────────────────────────────────────────────────────────────────────────

FoldState = TypeVar("FoldState")


@runtime_checkable
class FoldRule(Protocol[FoldState]):
    """Aggregates update by update in ClientId order, in memory that does not grow with clients."""

    def init(self, dim: int) -> FoldState: ...

    def add(self, state: FoldState, update: Vector, weight: float) -> FoldState: ...

    def finish(self, state: FoldState) -> Vector: ...


@runtime_checkable
class ColumnRule(FoldRule[FoldState], Protocol[FoldState]):
    """A fold whose every element depends on the updates' same element (and the weights) alone.

    So a fold may be cut into blocks of columns, each a fold of its own, without changing a bit.
    """

    def add_many(
        self, state: FoldState, updates: Sequence[Vector], weights: Sequence[float]
    ) -> FoldState:
        """Exactly what `add` gives, one update after another, but faster."""


@runtime_checkable
class SparseRule(FoldRule[FoldState], Protocol[FoldState]):
    """A fold that need not touch the elements where an update is 0."""

    def add_sparse(self, state: FoldState, update: Sparse, weight: float) -> FoldState:
        """What `add` gives for the same vector, up to the signs of zeros."""


# ── data ─────────────────────────────────────────────────────────────────────────────────────────


@runtime_checkable
class Shards(Protocol):
    """Where a client's data comes from: a partition of one data set, or a site's own files."""

    def client(self, client: ClientId) -> ClientData: ...

    def samples(self, client: ClientId) -> int:
        """The number of training samples, known without reading them."""
