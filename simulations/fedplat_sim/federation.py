"""A federation in one process: the daemons' engine over virtual time and in-process transport."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

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
    Started,
    UpdateReceived,
)
from fedplat.engine.messages import Decline, Offer, Submit, ToCoordinator
from fedplat.engine.references import live_after
from fedplat.errors import FedplatError, ProtocolError
from fedplat.runtime.client_states import ClientStates
from fedplat.runtime.client_work import ClientWork, Done
from fedplat.runtime.driver import Driver
from fedplat.runtime.ports import BlobStore, EventStore, Executor, StateStore
from fedplat.runtime.server_work import ServerWork
from fedplat.runtime.spool import Spool
from fedplat.telemetry.stopwatch import Stopwatch
from fedplat.transports.inprocess import InProcess
from fedplat.types import merge
from fedplat_sim.clients import Clients
from fedplat_sim.downloads import Downloads
from fedplat_sim.schedule import Schedule

FLUSH_AFTER_S = 1.0  # real seconds that finished work may wait for others to be logged with it


@dataclass
class Stores:
    """Where a run's log, blobs and client states live."""

    log: EventStore
    blobs: BlobStore
    states: StateStore


@dataclass
class Federation:
    """Wires coordinator, clients, stores and executor, and turns the wheel.

    `observers` are told every event once it is in the log.
    """

    coordinator: Coordinator
    server: ServerWork
    work: ClientWork
    executor: Executor
    stores: Stores
    observers: Iterable[Callable[[CoordinatorEvent], None]] = ()
    keep_updates: bool = False
    transport: InProcess = field(default_factory=InProcess)
    schedule: Schedule = field(default_factory=Schedule)
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    finished: Finish | None = None
    failure: FedplatError | None = None

    def __post_init__(self) -> None:
        self.spool = Spool(self.stores.blobs)
        self.downloads = Downloads(self.server, self.stores.blobs)
        self.clients = Clients(
            self.executor, ClientStates(self.stores.states), self.schedule, self._answered
        )
        self.driver = Driver(
            self.coordinator,
            self.stores.log,
            {
                Send: self._send,
                SetDeadline: self._set_deadline,
                FoldAhead: self._fold_ahead,
                Aggregate: self._aggregate,
                Commit: lambda command: self.driver.post(command.record),
                Evaluate: self._evaluate,
                Finish: self._finish,
                Fail: self._fail,
            },
            around_append=self._committing,
            observers=(*self.observers, self._tidy),
        )

    def run(self, stop: Callable[[], bool]) -> None:
        """Runs until the last round, a failure, or until `stop` says so between two steps.

        Raises: the FedplatError that the coordinator failed with.
        """
        self.driver.replay()
        self.schedule.now_s = self.coordinator.now_s
        self.driver.post(Started(self.schedule.now(), self.coordinator.epoch + 1))
        if self.coordinator.phase == "idle":
            self.driver.post(self.server.initialise(self.schedule.now()))
            self.driver.flush()
        else:
            self.driver.flush()
            self.driver.resume(self.schedule.now())
        try:
            self._turn(stop)
        except KeyboardInterrupt:  # while it waited for a client's work, which is repeated
            pass
        self.driver.flush()
        if self.failure is not None:
            raise self.failure

    def _turn(self, stop: Callable[[], bool]) -> None:
        flushed = perf_counter()
        while not self._over() and not stop():
            moved = self.schedule.step()
            late = perf_counter() - flushed > FLUSH_AFTER_S
            if late or not self.schedule.more_now():
                self.driver.flush()
                flushed = perf_counter()
            if not moved and not self.schedule.more_now() and not self._over():
                raise ProtocolError(reason="nothing is left to happen, yet the run is not over")

    @contextmanager
    def _committing(self) -> Iterator[None]:
        with self.stopwatch.phase("commit"):
            self.spool.sync()
            yield

    def _tidy(self, event: CoordinatorEvent) -> None:
        """Frees the updates of a round once its commit is durable."""
        if isinstance(event, RoundCommitted) and not self.keep_updates:
            self.stores.blobs.collect(live_after(self.coordinator, event))

    def _over(self) -> bool:
        return self.finished is not None or self.failure is not None

    # ── what the coordinator asks for ────────────────────────────────────────────────────────────

    def _send(self, command: Send) -> None:
        message = self.transport.to_client(command.message)  # type: ignore[arg-type]
        if isinstance(message, Offer) and not message.dropout:
            self.transport.download(self.downloads.fetched(message.client, message.broadcast))
        due_s = self.schedule.now() + command.after_s
        self.schedule.at(due_s, lambda: self.clients.deliver(message))  # type: ignore[arg-type]

    def _set_deadline(self, command: SetDeadline) -> None:
        passed = DeadlinePassed(command.time_s, command.round_id, command.task)
        self.schedule.at(command.time_s, lambda: self.driver.post(passed))

    def _fold_ahead(self, command: FoldAhead) -> None:
        with self.stopwatch.phase("aggregate"):
            self.server.fold_ahead(command)

    def _aggregate(self, command: Aggregate) -> None:
        with self.stopwatch.phase("aggregate"):
            self.driver.post(self.server.aggregate(command, self.schedule.now()))

    def _evaluate(self, command: Evaluate) -> None:
        # after the offers that were sent with it, so that the clients' work waits behind it
        self.schedule.at(self.schedule.now(), lambda: self._evaluated(command))

    def _evaluated(self, command: Evaluate) -> None:
        tasks = self.work.central_tasks(command.round_id, command.broadcast, self.executor.parts)
        for task in tasks:
            self.executor.submit(task)
        with self.stopwatch.phase("evaluate"):
            outcomes = [self.executor.result(task) for task in tasks]
        for outcome in outcomes:
            if not isinstance(outcome, Done):
                self.failure = outcome.error
                return
        metrics = merge(outcome.metrics for outcome in outcomes if isinstance(outcome, Done))
        self.driver.post(Evaluated(self.schedule.now(), command.round_id, metrics))
        self.driver.flush()

    def _finish(self, command: Finish) -> None:
        self.finished = command

    def _fail(self, command: Fail) -> None:
        self.failure = command.error

    # ── what the clients answer ──────────────────────────────────────────────────────────────────

    def _answered(self, message: ToCoordinator, payload: bytes) -> None:
        now_s = self.schedule.now()
        match self.transport.to_coordinator(message):
            case Submit(client, round_id, "evaluate", _, _, metrics):
                self.driver.post(EvaluationReceived(now_s, round_id, client, metrics))
            case Submit(client, round_id, "fit", str(update), weight, metrics, attempt, epoch):
                arrived = self.transport.upload(payload)
                self.spool.add(update, arrived)
                self.driver.post(
                    UpdateReceived(
                        now_s,
                        round_id,
                        client,
                        update,
                        len(arrived),
                        weight,
                        metrics,
                        self.server.looked.flaw(update, arrived, weight, round_id),
                        attempt,
                        epoch,
                    )
                )
            case Decline(client, round_id, task, reason, detail, step):
                self.driver.post(
                    ClientDeclined(now_s, round_id, client, task, reason, detail, step)
                )
