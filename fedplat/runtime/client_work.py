"""A client's work on one offer, wherever it runs: bytes in, bytes out, the same bits every time."""

import itertools
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, cast

from fedplat import rng
from fedplat.algorithms.client_momentum import ClientMomentum
from fedplat.algorithms.program import run_program
from fedplat.engine.events import WorkFailed
from fedplat.engine.messages import DeclineReason
from fedplat.engine.payload import OF_CODEC, Cargo
from fedplat.errors import DivergenceError, TrainingError
from fedplat.learning.torch_learner import num_chunks
from fedplat.params import Params, Vector, decode_state, digest_of, encode_state
from fedplat.protocols import (
    Broadcast,
    ChunkedLearner,
    ClientResult,
    Learner,
    Personalized,
    PlacedLearner,
    Shards,
    Stamp,
)
from fedplat.runtime.lying import Lies
from fedplat.types import (
    ClientData,
    ClientId,
    Dataset,
    Digest,
    Mean,
    Metrics,
    Split,
    State,
    Tensors,
    TrainSettings,
)

SURVEYED: tuple[Split, ...] = ("validation", "test")
BEFORE = "lie/before"  # the name of the model that a liar was given last, among its tensors
BROADCASTS_TOLD = 64  # whose numbers for the codec are remembered, for clients that are late


# No slots where tasks and outcomes travel between processes: with them a dataclass is pickled in
# Python, field by field.


@dataclass(frozen=True)
class ClientTask:
    """One client's share of a round.  `state` is what the client remembers, encoded."""

    client: ClientId
    round_id: int
    kind: Literal["fit", "evaluate"]
    broadcast: Digest
    state: bytes = b""


@dataclass(frozen=True)
class CentralTask:
    """A range of chunks of the coordinator's own evaluation."""

    round_id: int
    broadcast: Digest
    start: int
    stop: int


Task = ClientTask | CentralTask


@dataclass(frozen=True)
class Done:
    """The outcome of a task: `payload` is the encoded update, whose digest is `update`; `state` is
    the client's next state.
    """

    metrics: Metrics = field(default_factory=dict)
    payload: bytes = b""
    update: Digest | None = None
    weight: float = 0.0
    state: bytes = b""


@dataclass(frozen=True, slots=True)
class Failed:
    """A task that ended in an error: a loss that is not finite, or the user's own code."""

    error: DivergenceError | TrainingError


Outcome = Done | Failed


@dataclass(frozen=True)
class ClientWork:
    """Does tasks of one scenario.

    Guarantees: a task's outcome depends on the task, the broadcast's bytes and the scenario only,
    not on who runs it, when, or what ran before.
    """

    cargo: Cargo
    learner: Learner
    shards: Shards
    settings: TrainSettings
    seed: int
    central: Dataset | None = None
    surveyed: tuple[Split, ...] = SURVEYED
    lies: Lies | None = None
    _decoded: dict[Digest, tuple[Params, Tensors]] = field(default_factory=dict, repr=False)
    _told: dict[Digest, Tensors] = field(default_factory=dict, repr=False)

    @cached_property
    def _personalized(self) -> Personalized | None:
        algorithm = self.cargo.algorithm
        return algorithm if isinstance(algorithm, Personalized) else None

    @cached_property
    def _placed(self) -> PlacedLearner | None:
        return self.learner if isinstance(self.learner, PlacedLearner) else None

    @cached_property
    def _chunked(self) -> ChunkedLearner | None:
        return self.learner if isinstance(self.learner, ChunkedLearner) else None

    def do(self, task: Task, payload: memoryview) -> Outcome:
        """Does one task on the broadcast whose bytes are `payload`."""
        try:
            if isinstance(task, CentralTask):
                return self._evaluate_centrally(task, payload)
            broadcast = self.broadcast(task.broadcast, payload, task.round_id)
            state = self.remembered(task)[0]
            data = self.shards.client(task.client)
            work = self._fit if task.kind == "fit" else self._survey
            return work(task, broadcast, state, data)
        except (DivergenceError, TrainingError) as error:
            return failed(error, task)

    def broadcast(self, digest: Digest, payload: memoryview, round_id: int) -> Broadcast:
        """The broadcast of these bytes; decoded once for all clients of a round."""
        if digest not in self._decoded:
            self._decoded.clear()
            self._decoded[digest] = self.cargo.decode_broadcast(payload)
            self._told[digest] = of_codec(self._decoded[digest][1])
            if len(self._told) > BROADCASTS_TOLD:
                del self._told[next(iter(self._told))]
        params, down = self._decoded[digest]
        return Broadcast(round_id, params, down, self.cargo.initial, self.settings)

    def remembered(self, task: ClientTask) -> tuple[State, State]:
        """What the client's algorithm remembers, and what its codec does."""
        layout, codec = self.cargo.shared, self.cargo.codec
        known = decode_state(task.state).tensors if task.state else {}
        others = (OF_CODEC, BEFORE)
        mine = {name: value for name, value in known.items() if not name.startswith(others)}
        coded = of_codec(known) or codec.init(layout).tensors
        return State(mine), State({**coded, **self._told.get(task.broadcast, {})})

    def stream(self, task: ClientTask) -> int:
        """The seed of a client's random streams in a round."""
        return rng.derive(self.seed, "client", task.client, "round", task.round_id, task.kind)

    def placed(self, task: ClientTask) -> Learner:
        """The learner, told which client and round it works for if it wants to know."""
        place = self._placed
        return self.learner if place is None else place.at(task.client, task.round_id)

    def _fit(
        self, task: ClientTask, broadcast: Broadcast, state: State, data: ClientData
    ) -> Outcome:
        return self.finish(task, self.trained(task, broadcast, state, data))

    def trained(
        self, task: ClientTask, broadcast: Broadcast, state: State, data: ClientData
    ) -> ClientResult:
        """What the algorithm's client program makes of the client's data."""
        program = self.cargo.algorithm.client(broadcast, state, len(data.train))
        return run_program(program, self.placed(task), data, self.stream(task))

    def root_update(
        self, root: Dataset, digest: Digest, payload: memoryview, round_id: int
    ) -> Vector:
        """The update of a client that has the samples `root` and remembers nothing.

        Momentum at the clients is not in it: a first one is a fraction of its update, and the
        clients' are as long as updates are.
        """
        broadcast = self.broadcast(digest, payload, round_id)
        data = ClientData(root, root, root)
        algorithm = self.cargo.algorithm
        plain = algorithm.inner if isinstance(algorithm, ClientMomentum) else algorithm
        program = plain.client(broadcast, State(), len(root))
        seed = rng.derive(self.seed, "root", "round", round_id)
        return run_program(program, self.learner, data, seed).update

    def finish(self, task: ClientTask, result: ClientResult) -> Outcome:
        """Encodes a client's result; a failure, if its update is no number and the codec lossy.

        If the client is a liar that needs nobody for it, it lies here.
        """
        if self.lies is None:
            return self.encoded(task, result)
        last = self._moved(task) if self.lies.remembers(task.client) else None
        return self.encoded(task, self.lies.told(task.client, task.round_id, result, last))

    def _moved(self, task: ClientTask) -> Vector | None:
        """How the model has moved since this client was given one."""
        before = decode_state(task.state).tensors.get(BEFORE) if task.state else None
        return None if before is None else self._decoded[task.broadcast][0].vector - before

    def encoded(self, task: ClientTask, result: ClientResult) -> Outcome:
        """Encodes what a client sends, true or not."""
        stamp = Stamp(
            rng.derive(self.seed, "codec", task.client, task.round_id),
            task.round_id,
            base_version(task.broadcast),
        )
        coded = self.remembered(task)[1]
        try:
            frame, coded = self.cargo.codec.encode(result.update, self.cargo.shared, coded, stamp)
        except DivergenceError as error:
            return failed(error, task)
        payload = self.cargo.encode_update(result, frame)
        mine = result.state.tensors if self.cargo.algorithm.stateful else {}
        both = State(
            {
                **mine,
                **{OF_CODEC + name: value for name, value in coded.tensors.items()},
                **self._lied(task),
            }
        )
        state = encode_state(both) if both.tensors or self.cargo.algorithm.stateful else b""
        return Done(result.metrics, payload, digest_of(payload), result.weight, state)

    def _lied(self, task: ClientTask) -> Tensors:
        """What a liar remembers beside."""
        if self.lies is None or not self.lies.remembers(task.client):
            return {}
        return {BEFORE: self._decoded[task.broadcast][0].vector}

    def personal(
        self, task: ClientTask, broadcast: Broadcast, state: State, data: ClientData
    ) -> Params | None:
        """The model that this client would use itself, if the algorithm gives it one."""
        if self._personalized is None:
            return None
        program = self._personalized.personalize(broadcast, state, len(data.train))
        return run_program(program, self.placed(task), data, self.stream(task))

    def _survey(
        self, task: ClientTask, broadcast: Broadcast, state: State, data: ClientData
    ) -> Outcome:
        models = {"personal": self.personal(task, broadcast, state, data)}
        if not self.cargo.algorithm.personal:
            models["global"] = broadcast.params
        metrics: dict[str, Mean] = {}
        for model, params in models.items():
            for split in self.surveyed if params is not None else ():
                found = self.placed(task).evaluate(cast(Params, params), data.split(split))
                metrics |= {f"{model}/{split}/{name}": mean for name, mean in found.items()}
        return Done(metrics)

    def central_tasks(self, round_id: int, broadcast: Digest, parts: int) -> list[CentralTask]:
        """The coordinator's evaluation of a broadcast, cut into at most `parts` tasks.

        Empty where there is nothing to evaluate on, or no model that is whole: an algorithm whose
        clients keep a part of the model for themselves is judged by its clients.
        """
        if self.central is None or self.cargo.algorithm.personal:
            return []
        chunks = num_chunks(len(self.central)) if self._chunked else 1
        parts = max(1, min(parts, chunks))
        edges = [chunks * part // parts for part in range(parts + 1)]
        return [
            CentralTask(round_id, broadcast, start, stop)
            for start, stop in itertools.pairwise(edges)
        ]

    def _evaluate_centrally(self, task: CentralTask, payload: memoryview) -> Outcome:
        params = self.broadcast(task.broadcast, payload, task.round_id).params
        if self.central is None:
            return Done()
        if self._chunked is not None:
            return Done(self._chunked.evaluate_chunks(params, self.central, task.start, task.stop))
        return Done(self.learner.evaluate(params, self.central))


def base_version(broadcast: Digest) -> int:
    """What an update to this broadcast says that it is relative to: its digest's first 8 bytes."""
    return int(broadcast[:16], 16)


def of_codec(tensors: Tensors) -> Tensors:
    """The codec's among named tensors, by the names that it knows them by."""
    return {n.removeprefix(OF_CODEC): t for n, t in tensors.items() if n.startswith(OF_CODEC)}


def failed(error: DivergenceError | TrainingError, task: Task) -> Failed:
    """The outcome of a task that ended in `error`, which is told where that was."""
    client = task.client if isinstance(task, ClientTask) else "coordinator"
    return Failed(type(error)(**{**error.fields, "round_id": task.round_id, "client": client}))


def work_failed(task: ClientTask, outcome: Failed, now_s: float) -> WorkFailed:
    """What the client's machine is told of a task that ended in an error."""
    error = outcome.error
    diverged = isinstance(error, DivergenceError)
    reason: DeclineReason = "diverged" if diverged else "failed"
    detail = str(error.fields["what" if diverged else "reason"])
    step = int(error.fields["step"]) if isinstance(error, DivergenceError) else 0
    return WorkFailed(now_s, task.round_id, task.kind, reason, detail, step)
