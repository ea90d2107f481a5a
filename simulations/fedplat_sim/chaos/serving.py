"""The coordinator's process: the real machine, driver and fold over a disk, a clock and a network.

It does what the coordinator's daemon does, in the same order, without its threads.
"""

from collections.abc import Callable
from functools import partial

from fedplat.aggregators.mean import Mean
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
    ClientQuarantined,
    ClientReleased,
    CoordinatorEvent,
    DeadlinePassed,
    Evaluated,
    EvaluationReceived,
    LeaseExpired,
    PauseRequested,
    ResumeRequested,
    RoundCommitted,
    Started,
    UpdateReceived,
)
from fedplat.engine.intake import flaw
from fedplat.engine.messages import Ack, Decline, Message, Offer, Submit
from fedplat.engine.quarantine import objection, release_objection
from fedplat.engine.references import broadcasts, is_held, live_after
from fedplat.errors import FedplatError, MissingBlobError
from fedplat.runtime.driver import Driver
from fedplat.runtime.server_work import ServerWork
from fedplat.types import ClientId, Digest
from fedplat.wire import convert
from fedplat_sim.chaos import tiny
from fedplat_sim.chaos.faults import COORDINATOR, HEAL_S, Pause, Quarantine, Schedule
from fedplat_sim.chaos.ledger import Ledger
from fedplat_sim.chaos.process import Process
from fedplat_sim.chaos.suspects import Suspects
from fedplat_sim.chaos.wiring import Wires
from fedplat_sim.schedule import Schedule as Timeline

AGAIN_S = 0.5  # after so long an operator tries again
GATHER_S = 0.02  # events that come within so long are logged together
WORK_S = 0.05  # what a fold takes
EVALUATION_S = 0.2  # what the coordinator's own evaluation takes
TICK_S = 1e-6  # what summing times may lose


class Serving:
    """A coordinator that can die; `finished` or `failure` is how its federation ended."""

    def __init__(
        self, schedule: Schedule, time: Timeline, suspects: Suspects, wires: Wires
    ) -> None:
        self.schedule, self.time, self.suspects, self.wires = schedule, time, suspects, wires
        self.process = Process(
            COORDINATOR, schedule, time, suspects, self._start, lambda: wires.coordinator_died()
        )
        self.ledger = Ledger(schedule, suspects.coordinator, self.process.disk)
        self.machine: Coordinator = suspects.coordinator(schedule.course.plan)
        for _, fault in schedule.faults:
            if isinstance(fault, Pause):
                over_s = min(HEAL_S, fault.start_s + fault.length_s)
                time.at(fault.start_s, partial(self._operated, PauseRequested, over_s))
            if isinstance(fault, Quarantine):
                time.at(fault.start_s, partial(self._hold, fault))
        self.finished: Finish | None = None
        self.failure: FedplatError | None = None

    def _start(self) -> None:
        disk, process = self.process.disk, self.process
        self.machine = self.suspects.coordinator(self.schedule.course.plan)
        self.heard: dict[ClientId, float] = {}
        self.server: ServerWork = self.suspects.server(
            tiny.cargo(), Mean(), disk.blobs, len(self.schedule.course.clients)
        )
        performers = {
            Send: lambda command: self._say(command.message),
            SetDeadline: self._set_deadline,
            SetLease: lambda command: self._look_again(command, command.lease_s),
            FoldAhead: lambda command: self.server.fold_ahead(command),
            Aggregate: lambda command: process.later(WORK_S, lambda: self._aggregate(command)),
            Commit: lambda command: self.driver.post(command.record),
            Evaluate: lambda command: process.later(EVALUATION_S, lambda: self._evaluate(command)),
            Finish: self._finish,
            Fail: self._fail,
        }
        self.driver: Driver = self.suspects.driver(
            self.machine, disk.events, process.guarded(performers), observers=(self._tidy,)
        )
        self.driver.replay()
        if self.machine.phase == "idle":
            self.driver.post(Started(process.now(), self.machine.epoch + 1))
            self._post(self.server.initialise(process.now()))
            self.driver.flush()
            return
        process.set_clock(self.machine.now_s)
        self.ledger.resumed(self.machine)
        self.driver.post(Started(process.now(), self.machine.epoch + 1))
        self.driver.flush()
        self.driver.resume(process.now())

    def _operated(self, kind: type[PauseRequested | ResumeRequested], over_s: float) -> None:
        """The operator pauses, and at `over_s` resumes; each until a coordinator lives through it.

        Asking again for the pause once the federation was resumed would hold it for ever.
        """
        self.process.run(lambda: self._ordered(kind(self.process.now())))
        if not self.process.alive:
            self.time.at(self.time.now() + AGAIN_S, partial(self._operated, kind, over_s))
        elif kind is PauseRequested:
            self.time.at(over_s, partial(self._operated, ResumeRequested, over_s))

    def _hold(self, fault: Quarantine) -> None:
        """The operator's quarantine, until a coordinator lives through it; then its end."""
        self.process.run(lambda: self._decide(objection, ClientQuarantined, fault.client, "odd"))
        if not self.process.alive:
            self.time.at(self.time.now() + AGAIN_S, partial(self._hold, fault))
        elif fault.until_s is not None:
            self.time.at(max(fault.until_s, self.time.now()), partial(self._free, fault.client))

    def _free(self, client: ClientId) -> None:
        self.process.run(lambda: self._decide(release_objection, ClientReleased, client))
        if not self.process.alive:
            self.time.at(self.time.now() + AGAIN_S, partial(self._free, client))

    def _decide(
        self,
        against: Callable[[Coordinator, ClientId], str],
        kind: Callable[..., ClientQuarantined | ClientReleased],
        client: ClientId,
        *why: str,
    ) -> None:
        """As the daemon does: if nothing speaks against it, it is done at the same moment."""
        self.driver.flush()
        if not against(self.machine, client):
            self.driver.post(kind(self.process.now(), client, *why))
            self.driver.flush()

    def _ordered(self, event: PauseRequested | ResumeRequested) -> None:
        self.driver.post(event)
        self.driver.flush()

    # ── what is said to it ───────────────────────────────────────────────────────────────────────

    def opened(self, client: ClientId) -> None:
        """A client has a new session: it hears again what it may not have heard."""
        self.heard[client] = self.time.now()
        self.process.run(lambda: self._say_again(client))

    def received(self, payload: bytes, update: bytes) -> None:
        """A client's message has come, and the update that it names, if it names one."""
        self.process.run(lambda: self._take(convert.decode(payload), update))

    def download(self, digest: Digest) -> bytes:
        """The bytes of a broadcast.  Raises: MissingBlobError."""
        if digest not in broadcasts(self.machine):
            raise MissingBlobError(where=COORDINATOR, digest=digest)
        return bytes(self.process.disk.blobs.get(digest))

    def _say_again(self, client: ClientId) -> None:
        for command in self.machine.outstanding(client):
            if isinstance(command, Send):
                self._say(command.message)

    def _take(self, message: Message, update: bytes) -> None:
        now_s = self.process.now()
        self.heard[message.client] = self.time.now()
        match message:
            case Submit(client, round_id, "evaluate", _, _, metrics):
                self._post(EvaluationReceived(now_s, round_id, client, metrics))
            case Submit(client, round_id, "fit", _, weight, metrics, attempt, epoch):
                digest = self.process.disk.blobs.put(update)
                why = flaw(update, weight, tiny.cargo(), round_id)
                size_bytes = len(update)
                self._post(
                    UpdateReceived(
                        now_s,
                        round_id,
                        client,
                        digest,
                        size_bytes,
                        weight,
                        metrics,
                        why,
                        attempt,
                        epoch,
                    )
                )
            case Decline(client, round_id, task, reason, detail, step):
                self._post(ClientDeclined(now_s, round_id, client, task, reason, detail, step))
            case _:
                pass  # nobody else speaks to a coordinator

    def _post(self, event: CoordinatorEvent) -> None:
        self.driver.post(event)
        self.process.later(GATHER_S, self.driver.flush)

    # ── what its machine asks for ────────────────────────────────────────────────────────────────

    def _say(self, message: Message) -> None:
        if isinstance(message, Offer | Ack):
            self.ledger.said(message)
            self.wires.to_client(message.client, convert.encode(message))

    def _set_deadline(self, command: SetDeadline) -> None:
        passed = DeadlinePassed(command.time_s, command.round_id, command.task)
        left_s = command.time_s - self.process.now()
        self.process.later(left_s, lambda: self._post(passed))

    def _look_again(self, command: SetLease, after_s: float) -> None:
        self.process.later(after_s, lambda: self._look_at(command))

    def _look_at(self, command: SetLease) -> None:
        """A lease has run out, unless something was heard of the client meanwhile."""
        if not is_held(self.machine, command) or self.finished or self.failure:
            return
        now_s = self.time.now()
        silent_s = now_s - self.heard.get(command.client, 0.0)
        if silent_s + TICK_S < command.lease_s:
            self._look_again(command, command.lease_s - silent_s)
            return
        mine = command.round_id, command.client, command.task, command.attempt
        self._post(LeaseExpired(self.process.now(), *mine))

    def _aggregate(self, command: Aggregate) -> None:
        self._post(self.server.aggregate(command, self.process.now()))

    def _evaluate(self, command: Evaluate) -> None:
        self.process.disk.blobs.get(command.broadcast)
        metrics = tiny.judged(ClientId("client-000000"), command.broadcast)
        self._post(Evaluated(self.process.now(), command.round_id, metrics))

    def _tidy(self, event: CoordinatorEvent) -> None:
        if isinstance(event, RoundCommitted):
            self.ledger.look()  # while the updates are still there
            self.process.disk.blobs.collect(live_after(self.machine, event))

    def _finish(self, command: Finish) -> None:
        self.ledger.finished(command)
        self.finished = command

    def _fail(self, command: Fail) -> None:
        self.ledger.failed(command.error)
        self.failure = command.error
