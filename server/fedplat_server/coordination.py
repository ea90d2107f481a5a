"""What the coordinator's daemon does for its machine: it speaks, waits, folds, evaluates."""

import json
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol

from fedplat import __version__
from fedplat.config import bundle
from fedplat.config.build import Parts
from fedplat.config.scenario import Scenario
from fedplat.engine.commands import (
    Aggregate,
    Commit,
    Evaluate,
    Fail,
    Finish,
    FoldAhead,
    Send,
    SetDeadline,
    SetLease,
)
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import (
    ClientDeclined,
    CoordinatorEvent,
    DeadlinePassed,
    Evaluated,
    EvaluationReceived,
    LeaseExpired,
    RoundCommitted,
    UpdateReceived,
)
from fedplat.engine.messages import Decline, Submit
from fedplat.engine.references import broadcasts, is_held, live_after
from fedplat.errors import (
    FedplatError,
    MissingBlobError,
    ProtocolError,
    TransportError,
    UnauthenticatedError,
    UnknownClientError,
)
from fedplat.learning import numerics
from fedplat.runtime.changes import Changes
from fedplat.runtime.client_work import Done
from fedplat.runtime.ports import BlobStore, Clock
from fedplat.telemetry.stopwatch import Stopwatch
from fedplat.types import ClientId, Digest, Metrics, merge
from fedplat.wire import environment
from fedplat.wire.environment import Fingerprint
from fedplat.wire.session import Cancel, Finished, Frame, Hello, Progress, Welcome, negotiated
from fedplat_server.engine_thread import EngineThread
from fedplat_server.process import trim

INTAKE_THREADS = 2  # they look at updates; the machine and the fold have threads of their own
LARGE_UPDATE_BYTES = 16 << 20  # from here on, an update's arrival is worth a look at the memory


class Speaker(Protocol):
    """Says something to a client, if it is there to hear it.  From any thread."""

    def __call__(self, client: ClientId, frame: Frame, /) -> None: ...


class Traffic:
    """The bytes of blobs that have moved."""

    def __init__(self) -> None:
        self.bytes_up = self.bytes_down = 0
        self._lock = Lock()

    def sent(self, size_bytes: int) -> None:
        """Counts bytes that go down.  From any thread."""
        with self._lock:
            self.bytes_down += size_bytes


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
        plan = replace(parts.plan, lease_s=terms.idle_timeout_s)
        self.coordinator, self.schedule = Coordinator(plan), clock
        self.transport, self.stopwatch = Traffic(), Stopwatch()
        self.changes = Changes(parts.work.cargo.broadcast_sizes)
        self.server = parts.server(blobs, self.changes)
        self.speak: Speaker = lambda client, frame: None
        self.met: Callable[[ClientId, Fingerprint], None] = lambda client, fingerprint: None
        self.guests: set[ClientId] = set()  # whoever had a session
        self.progress: dict[ClientId, Progress] = {}  # the last that each has said
        self.last_word: Frame | None = None
        self.said_back: frozenset[ClientId] = frozenset()  # who has heard it
        self._folding = ThreadPoolExecutor(1, "fedplat-fold")
        self._in(self._folding, lambda _: self.server.prepare(), None)
        self._evaluating = ThreadPoolExecutor(1, "fedplat-evaluate")
        self._intake = ThreadPoolExecutor(INTAKE_THREADS, "fedplat-intake")
        self.silence: Callable[[ClientId], float] = lambda client: 0.0
        self._population = frozenset(parts.shards)
        self._code = _served_code(parts.scenario, blobs)
        self._offered: frozenset[Digest] | None = None  # the engine's thread publishes it

    @property
    def epoch(self) -> int:
        """How often this federation's coordinator has been started."""
        return self._terms.epoch

    @property
    def performers(self) -> dict[type[Any], Callable[[Any], None]]:
        """Who performs which command, in the engine's thread."""
        return {
            Send: self._say,
            SetDeadline: self._set_deadline,
            SetLease: lambda command: self._look_again(command, command.lease_s),
            FoldAhead: lambda command: self._in(self._folding, self._fold_ahead, command),
            Aggregate: self._closed,
            Commit: lambda command: self._engine.post(command.record),
            Evaluate: lambda command: self._in(self._evaluating, self._evaluate, command),
            Finish: self._ended,
            Fail: lambda command: self._ended(command.error),
        }

    def close(self) -> None:
        """Waits for what is being computed; nothing is begun any more."""
        for pool in (self._intake, self._folding, self._evaluating):
            pool.shutdown(cancel_futures=True)

    # ── what the machine asks for ────────────────────────────────────────────────────────────────

    def _say(self, command: Send) -> None:
        self._publish()
        self.speak(command.message.client, command.message)

    def _publish(self) -> None:
        """Lets clients download what they are about to be offered."""
        self._offered = broadcasts(self.coordinator)

    def _in(self, pool: ThreadPoolExecutor, work: Callable[[Any], None], command: Any) -> None:
        pool.submit(work, command).add_done_callback(self._check)

    def _check(self, done: Future[None]) -> None:
        """A failure in a thread ends the federation as one in the engine's would."""
        if not done.cancelled() and (error := done.exception()) is not None:
            self._engine.call(partial(_raise, error))

    def _set_deadline(self, command: SetDeadline) -> None:
        passed = DeadlinePassed(command.time_s, command.round_id, command.task)
        left_s = max(0.0, command.time_s - self.schedule.now())
        self._engine.after(left_s, lambda: self._engine.post(passed))

    def _look_again(self, command: SetLease, after_s: float) -> None:
        self._engine.after(after_s, lambda: self._look_at(command))

    def _look_at(self, command: SetLease) -> None:
        """A lease has run out, unless something was heard of the client meanwhile."""
        if not is_held(self.coordinator, command):
            return
        silent_s = self.silence(command.client)
        if silent_s < command.lease_s:
            self._look_again(command, command.lease_s - silent_s)
            return
        self._engine.post(
            LeaseExpired(
                self.schedule.now(), command.round_id, command.client, command.task, command.attempt
            )
        )

    def _fold_ahead(self, command: FoldAhead) -> None:
        self.server.fold_ahead(command)

    def _closed(self, command: Aggregate) -> None:
        """A round has closed: who is still at work on it, in vain, need not go on."""
        if not self.coordinator.plan.carry_over:
            for client in self.coordinator.round.missing:
                self.speak(client, Cancel(command.round_id, "the round has closed without it"))
        self._in(self._folding, self._aggregate, command)

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
                self.transport.sent(self._parts.work.cargo.broadcast_bytes)  # at most

    def tidy(self, event: RoundCommitted) -> None:
        """Frees the updates of a round once its commit is durable."""
        if self._keep_updates:
            return
        self._blobs.collect(live_after(self.coordinator, event) | self._code)

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
        if not self.guests:
            self.stopwatch.restart()  # until somebody is there, no round takes time
        self.guests.add(client)
        if self.last_word is not None:
            self._say_again(client)  # its last answer may not have been acknowledged
            self.speak(client, self.last_word)
            return
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
            case Progress():
                self.progress[client] = frame
            case Finished() if self.last_word is not None:
                self.said_back |= {client}
            case _:
                pass  # heartbeats were heard: that is what they are for

    def permit(
        self, client: ClientId, direction: Literal["upload", "download"], digest: Digest
    ) -> None:
        """As in `Permit`.  Raises: UnknownClientError, MissingBlobError; TransportError, while the
        coordinator does not know yet what it offers.
        """
        self._check_known(client)
        if direction == "upload" or digest in self._code:
            return
        if self._offered is None:
            raise TransportError(reason="the coordinator is starting; ask again in a moment")
        if digest not in self._offered:
            raise MissingBlobError(where="the coordinator", digest=digest)

    def _check_known(self, client: ClientId) -> None:
        if client not in self._population:
            raise UnknownClientError(client=client, round_id=self.coordinator.round.round_id)

    def _say_again(self, client: ClientId) -> None:
        if self.coordinator.broadcast:
            self._publish()
        for command in self.coordinator.outstanding(client):
            if isinstance(command, Send):
                self._say(command)

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
            size_bytes = len(payload)
            why = self.server.looked.flaw(one.update, payload, one.weight, one.round_id)
            if size_bytes >= LARGE_UPDATE_BYTES:
                trim()
        self._engine.post(
            UpdateReceived(
                now_s, one.round_id, one.client, one.update, size_bytes, one.weight,
                one.metrics, why, one.attempt, one.epoch,
            )
        )  # fmt: skip


def _raise(error: BaseException) -> None:
    raise error


def _served_code(scenario: Scenario, blobs: BlobStore) -> frozenset[Digest]:
    """The bundle that the clients fetch, in the store under its digest; none of other scenarios."""
    if scenario.app is None or scenario.app_digest is None:
        return frozenset()
    return frozenset({blobs.put(bundle.read(Path(scenario.app)))})
