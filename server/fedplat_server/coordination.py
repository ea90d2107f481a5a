"""What the coordinator's daemon does for its machine: it speaks, waits, folds, evaluates."""

import json
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from threading import Timer
from typing import Any, Literal, Protocol

from fedplat import __version__
from fedplat.config.build import Parts
from fedplat.engine.commands import (
    Aggregate,
    Commit,
    Evaluate,
    Fail,
    Finish,
    FoldAhead,
    Send,
    SetDeadline,
)
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import (
    ClientDeclined,
    CoordinatorEvent,
    DeadlinePassed,
    Evaluated,
    EvaluationReceived,
    RoundCommitted,
    UpdateReceived,
)
from fedplat.engine.intake import flaw
from fedplat.engine.messages import Decline, Submit
from fedplat.errors import (
    FedplatError,
    MissingBlobError,
    ProtocolError,
    UnauthenticatedError,
    UnknownClientError,
)
from fedplat.learning import numerics
from fedplat.runtime.client_work import Done
from fedplat.runtime.ports import BlobStore, Clock
from fedplat.runtime.server_work import ServerWork
from fedplat.telemetry.stopwatch import Stopwatch
from fedplat.types import ClientId, Digest, Metrics, merge
from fedplat.wire import environment
from fedplat.wire.environment import Fingerprint
from fedplat.wire.session import Frame, Hello, Welcome, negotiated
from fedplat_server.engine_thread import EngineThread

INTAKE_THREADS = 2  # they look at updates; the machine and the fold have threads of their own


class Speaker(Protocol):
    """Says something to a client, if it is there to hear it.  From any thread."""

    def __call__(self, client: ClientId, frame: Frame, /) -> None: ...


@dataclass
class Traffic:
    """The bytes of blobs that have moved."""

    bytes_up: int = 0
    bytes_down: int = 0


@dataclass(frozen=True)
class Terms:
    """What every client is told at its welcome."""

    epoch: int
    heartbeat_s: float
    idle_timeout_s: float
    data_port: Callable[[], int]


class Coordination:
    """Performs the machine's commands, and turns what clients say into its events.

    `ended` is told the result, or what the federation failed with, once.
    """

    def __init__(
        self,
        parts: Parts,
        blobs: BlobStore,
        engine: EngineThread,
        clock: Clock,
        terms: Terms,
        ended: Callable[[Finish | FedplatError], None],
        *,
        keep_updates: bool,
    ) -> None:
        self._parts, self._blobs, self._engine = parts, blobs, engine
        self._terms, self._ended, self._keep_updates = terms, ended, keep_updates
        self.coordinator, self.schedule = Coordinator(parts.plan), clock
        self.transport, self.stopwatch = Traffic(), Stopwatch()
        self.server = ServerWork(
            parts.work.cargo, parts.rule, blobs, num_registered=parts.scenario.clients.count
        )
        self.speak: Speaker = lambda client, frame: None
        self.met: Callable[[ClientId, Fingerprint], None] = lambda client, fingerprint: None
        self._folding = ThreadPoolExecutor(1, "fedplat-fold")
        self._evaluating = ThreadPoolExecutor(1, "fedplat-evaluate")
        self._intake = ThreadPoolExecutor(INTAKE_THREADS, "fedplat-intake")
        self._timers: list[Timer] = []
        self._population = frozenset(parts.shards)

    @property
    def performers(self) -> dict[type[Any], Callable[[Any], None]]:
        """Who performs which command, in the engine's thread."""
        return {
            Send: lambda command: self.speak(command.message.client, command.message),
            SetDeadline: self._set_deadline,
            FoldAhead: lambda command: self._in(self._folding, self._fold_ahead, command),
            Aggregate: lambda command: self._in(self._folding, self._aggregate, command),
            Commit: lambda command: self._engine.post(command.record),
            Evaluate: lambda command: self._in(self._evaluating, self._evaluate, command),
            Finish: self._ended,
            Fail: lambda command: self._ended(command.error),
        }

    def close(self) -> None:
        """Waits for what is being computed; nothing is begun any more."""
        for timer in self._timers:
            timer.cancel()
        for pool in (self._intake, self._folding, self._evaluating):
            pool.shutdown(cancel_futures=True)

    # ── what the machine asks for ────────────────────────────────────────────────────────────────

    def _in(self, pool: ThreadPoolExecutor, work: Callable[[Any], None], command: Any) -> None:
        pool.submit(work, command).add_done_callback(self._check)

    def _check(self, done: Future[None]) -> None:
        """A failure in a thread ends the federation as one in the engine's would."""
        if not done.cancelled() and (error := done.exception()) is not None:
            self._engine.call(partial(_raise, error))

    def _set_deadline(self, command: SetDeadline) -> None:
        passed = DeadlinePassed(command.time_s, command.round_id)
        left_s = max(0.0, command.time_s - self.schedule.now())
        timer = Timer(left_s, self._engine.post, [passed])
        timer.daemon = True
        timer.start()
        self._timers = [one for one in self._timers if one.is_alive()] + [timer]

    def _fold_ahead(self, command: FoldAhead) -> None:
        self.server.fold_ahead(command)

    def _aggregate(self, command: Aggregate) -> None:
        with self.stopwatch.phase("aggregate"):
            aggregated = self.server.aggregate(command, self.schedule.now())
        self._engine.post(aggregated)

    def _evaluate(self, command: Evaluate) -> None:
        try:
            metrics = self.measure(command.round_id, command.broadcast)
        except FedplatError as error:
            self._ended(error)
            return
        self._engine.post(Evaluated(self.schedule.now(), command.round_id, metrics))

    def measure(self, round_id: int, broadcast: Digest) -> Metrics:
        """What the coordinator's own test data say of a model.

        Raises: the FedplatError that its evaluation failed with.
        """
        work = self._parts.work
        tasks = work.central_tasks(round_id, broadcast, 1)
        outcomes = [work.do(task, self._blobs.get(task.broadcast)) for task in tasks]
        for outcome in outcomes:
            if not isinstance(outcome, Done):
                raise outcome.error
        return merge(outcome.metrics for outcome in outcomes if isinstance(outcome, Done))

    def count(self, event: CoordinatorEvent) -> None:
        """Counts what an event of the log has moved up."""
        if isinstance(event, UpdateReceived):
            self.transport.bytes_up += event.size_bytes

    def count_again(self, past: Iterable[CoordinatorEvent], told: int) -> None:
        """Counts what an earlier process moved in the round that it could not tell any more."""
        for event in past:
            if isinstance(event, UpdateReceived) and event.round_id > told:
                self.count(event)
                self._downloaded()

    def _downloaded(self) -> None:
        self.transport.bytes_down += self._parts.work.cargo.broadcast_bytes

    def tidy(self, event: RoundCommitted) -> None:
        """Frees the updates of a round once its commit is durable."""
        if self._keep_updates:
            return
        best = self.coordinator.best
        kept = {event.broadcast, event.kept} | ({best.broadcast, best.kept} if best else set())
        self._blobs.collect(kept)

    # ── what clients say ─────────────────────────────────────────────────────────────────────────

    def welcome(self, client: ClientId, hello: Hello) -> Welcome:
        """As in `Fleet`.  Raises: UnauthenticatedError, ProtocolError."""
        if client not in self._population:
            first, last = min(self._population), max(self._population)
            reason = f"the federation has no client {client}; its {len(self._population)} clients "
            reason += f"are {first} to {last}: give this one the certificate of one of them"
            raise UnauthenticatedError(reason=reason)
        terms, protocol = self._terms, negotiated(hello)
        fingerprint = environment.decode(hello.environment)
        self._engine.call(lambda: self.met(client, fingerprint))
        return Welcome(
            protocol,
            terms.epoch,
            f"fedplat {__version__}",
            json.dumps(asdict(numerics.environment()), sort_keys=True),
            self._parts.scenario.to_toml(),
            terms.heartbeat_s,
            terms.idle_timeout_s,
            terms.data_port(),
        )

    def opened(self, client: ClientId) -> None:
        """As in `Fleet`."""
        self._engine.call(partial(self._say_again, client))

    def closed(self, client: ClientId) -> None:
        """As in `Fleet`."""

    def received(self, client: ClientId, frame: Frame) -> None:
        """As in `Fleet`."""
        match frame:
            case Submit() | Decline() if frame.client != client:
                reason = f"the client {client} speaks for {frame.client}"
                raise ProtocolError(reason=reason)
            case Submit():
                self._intake.submit(self._submitted, frame).add_done_callback(self._check)
            case Decline(_, round_id, task, reason, detail, step):
                now_s = self.schedule.now()
                declined = ClientDeclined(now_s, round_id, client, task, reason, detail, step)
                self._engine.post(declined)
            case _:
                pass  # heartbeats and progress were heard: that is what they are for

    def permit(
        self, client: ClientId, direction: Literal["upload", "download"], digest: Digest
    ) -> None:
        """As in `Permit`.  Raises: UnknownClientError, MissingBlobError."""
        self._check_known(client)
        if direction == "download" and digest not in (
            self.coordinator.broadcast,
            getattr(self.coordinator.evaluating, "broadcast", None),
        ):
            raise MissingBlobError(where="the coordinator", digest=digest)
        if direction == "download":
            self._engine.call(self._downloaded)

    def _check_known(self, client: ClientId) -> None:
        if client not in self._population:
            raise UnknownClientError(client=client, round_id=self.coordinator.round.round_id)

    def _say_again(self, client: ClientId) -> None:
        for command in self.coordinator.outstanding(client):
            if isinstance(command, Send):
                self.speak(client, command.message)

    def _submitted(self, one: Submit) -> None:
        now_s = self.schedule.now()
        if one.task == "evaluate" or one.update is None:
            received = EvaluationReceived(now_s, one.round_id, one.client, one.metrics)
            self._engine.post(received)
            return
        size_bytes, why = 0, "its update is not here; upload it before it is submitted"
        try:
            payload = self._blobs.get(one.update)
        except MissingBlobError:
            pass
        else:
            size_bytes, why = len(payload), flaw(payload, one.weight, self._parts.work.cargo)
        self._engine.post(
            UpdateReceived(
                now_s, one.round_id, one.client, one.update, size_bytes, one.weight,
                one.metrics, why,
            )
        )  # fmt: skip


def _raise(error: BaseException) -> None:
    raise error
