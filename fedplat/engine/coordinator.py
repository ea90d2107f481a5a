"""The coordinator's machine: events in, commands out.  Sans I/O; its state is a fold of its log.

idle ─Initialised→ collecting ─enough│nobody missing│DeadlinePassed→ aggregating ─Aggregated→
committing ─RoundCommitted→ [surveying ─EvaluationReceived…→] collecting … → finished;  any → failed
A federation that the operator paused stands in `paused` where it would open a round.

A committed model is evaluated beside all this, while the next round goes on; the next commit, and
the end, wait for it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from fedplat.engine import failures
from fedplat.engine.assignment import Assignment
from fedplat.engine.backlog import Backlog
from fedplat.engine.commands import (
    Aggregate,
    Commit,
    CoordinatorCommand,
    Evaluate,
    Fail,
    Send,
)
from fedplat.engine.events import (
    AbortRequested,
    Aggregated,
    ClientDeclined,
    ClientQuarantined,
    ClientReleased,
    CoordinatorEvent,
    DeadlinePassed,
    Evaluated,
    EvaluationReceived,
    Initialised,
    LeaseExpired,
    OperatorEvent,
    PauseRequested,
    RoundCommitted,
    Started,
    UpdateReceived,
)
from fedplat.engine.journal import receipt
from fedplat.engine.messages import Ack, Verdict
from fedplat.engine.phase import OVER, Phase
from fedplat.engine.plan import Plan
from fedplat.engine.round import Round, Row
from fedplat.engine.standings import Standings
from fedplat.engine.survey import Survey
from fedplat.engine.validation import Validation
from fedplat.errors import FedplatError
from fedplat.types import ClientId, Digest, Metrics

Commands = list[CoordinatorCommand]


@dataclass(slots=True)
class Coordinator:
    """Runs the rounds of a federation.

    Guarantees: the same log gives the same state, and `resume` then asks for exactly what is still
    outstanding; each client counts at most once a round, and each of its updates once; what arrives
    after a round has closed is answered "late" and changes nothing, or, where the plan carries it
    over, waits for the next round, which accepts it or answers; accepted updates are handed on in
    ClientId order, whatever the order of arrival.
    """

    plan: Plan
    phase: Phase = "idle"
    now_s: float = 0.0
    epoch: int = 0
    broadcast: Digest = Digest("")
    kept: Digest = Digest("")
    model: Digest = Digest("")
    previous: Digest = Digest("")
    round: Round = field(default_factory=Round)
    last: Round = field(default_factory=Round)
    counted: dict[ClientId, set[int]] = field(default_factory=dict)
    backlog: Backlog = field(default_factory=Backlog)
    standings: Standings = field(default_factory=Standings)
    pending: Aggregated | None = None
    survey: Survey = field(default_factory=Survey)
    evaluating: Evaluate | None = None
    validation: Validation = field(default_factory=Validation)
    failure: FedplatError | None = None
    paused: bool = False

    def handle(self, event: CoordinatorEvent) -> Commands:
        """Advances the machine by one event; returns what is to be done, in order."""
        self.now_s = max(self.now_s, event.time_s)
        match event:
            case Started(_, epoch):
                self.epoch = epoch
                return []
            case Initialised():
                return self._initialised(event)
            case UpdateReceived():
                return self._update_received(event)
            case ClientDeclined(task="evaluate"):
                return self._surveyed(event.round_id, {event.client: {}})
            case ClientDeclined():
                return self._declined(event)
            case EvaluationReceived():
                return self._surveyed(event.round_id, {event.client: event.metrics})
            case DeadlinePassed():
                return self._deadline_passed(event)
            case LeaseExpired():
                return self._lease_expired(event)
            case Aggregated():
                return self._aggregated(event)
            case RoundCommitted():
                return self._committed(event)
            case Evaluated():
                return self._evaluated(event)
            case _:
                return self._operated(event)

    def resume(self, time_s: float) -> Commands:
        """What is outstanding, after the log was folded again.

        Clients of the last committed round and of the open one are acknowledged once more, since
        the acknowledgement may have been lost with the process.
        """
        self.now_s = max(self.now_s, time_s)
        known = {id(one): one for one in (self.last, self.round)}.values()
        accepted = [event for one in known for event in one.accepted.values()]
        evaluate = [self.evaluating] if self.evaluating else []
        acks = (self._ack(event, "accepted") for event in accepted)
        return [*acks, *self._outstanding(), *evaluate]

    def _outstanding(self) -> Commands:
        late = self._offer(self.backlog.assignments.values())
        match self.phase:
            case "idle" | "failed":
                return [] if self.failure is None else [Fail(self.failure)]
            case "paused":
                return late
            case "collecting" | "surveying":
                return [*late, *self._offers()]
            case "aggregating":
                return [*late, self._aggregate()]
            case "committing":
                return [*late, *self._commit()]
            case "finished":
                return self._finish()
            case _:
                assert_never(self.phase)

    def outstanding(self, client: ClientId) -> Commands:
        """What one client should hear again when it comes back: messages may have been lost."""
        counted = self.counted.get(client)
        acks = [Send(Ack(client, max(counted), "accepted", "", self.epoch))] if counted else []
        held = self.backlog.assignments.get(client), self.awaited(client)
        return [*acks, *self._offer(one for one in held if one is not None)]

    def awaited(self, client: ClientId) -> Assignment | None:
        """What the client was asked now, in this round or survey, and has not answered."""
        return self._asked.awaited(client)

    @property
    def _asked(self) -> Round | Survey:
        """Where those whom the clients' answers concern now stand; empty, if none are awaited."""
        if self.phase == "surveying":
            return self.survey
        return self.round if self.phase == "collecting" else Survey()

    # ── a round opens ────────────────────────────────────────────────────────────────────────────

    def _initialised(self, event: Initialised) -> Commands:
        if self.phase != "idle":
            return []
        self.broadcast, self.kept, self.model = event.broadcast, event.kept, event.model
        return self._open() if self.plan.rounds else self._after_commit()

    def _open(self) -> Commands:
        if self.paused:
            self.phase = "paused"
            return []
        self.phase = "collecting"
        known = self.backlog, self.standings
        self.round = Round(self.round.round_id + 1, self.now_s, self.broadcast, *known)
        commands = self._admit()
        if len(self.round.accepted) < self.plan.per_round:
            asked = self.round.ask(self.plan, self.now_s)
            commands += [*self.round.deadline(self.plan), *self._offer(asked)]
        return [*commands, *self._close_if_complete()]

    def _admit(self) -> Commands:
        """Takes in the updates that have waited for this round; answers those too old for it."""
        most, oldest = self.plan.per_round, self.plan.max_staleness
        admitted, old = self.backlog.admit(self.round.round_id, most, oldest)
        for event in admitted:
            self._count(event)
        late = [self._ack(event, "late") for event in old]
        return [*late, *(self._ack(event, "accepted") for event in admitted)]

    def _offer(self, assignments: Iterable[Assignment]) -> Commands:
        of = self.now_s, self.epoch, self.plan.lease_s
        return [command for one in assignments for command in one.offers(*of)]

    def _offers(self) -> Commands:
        return [*self._asked.deadline(self.plan), *self._offer(self._asked.open)]

    # ── answers come in ──────────────────────────────────────────────────────────────────────────

    def _update_received(self, event: UpdateReceived) -> Commands:
        if event.round_id in self.counted.get(event.client, ()):
            return [self._ack(event, "accepted")]  # a duplicate counts once, whenever it comes
        if self.backlog.holds(event):
            return []  # it is answered when the next round opens
        if self.backlog.find(event.client, event.round_id) is None:
            verdict, why = self.round.verdict(event, self.phase == "collecting")
            if verdict != "accepted":
                return [self._ack(event, verdict, why)]
        if event.flaw:
            lost = self._lose(event.client, event.flaw, diverged="finite" in event.flaw)
            return [self._ack(event, "refused", event.flaw), *lost]
        if self.phase != "collecting":
            self.backlog.keep(event)
            return []
        self._count(event)
        settled = self.round.fold_ahead(self.plan)
        more = [*settled, *self._ask_more(), *self._close_if_complete()]
        return [self._ack(event, "accepted"), *more]

    def _count(self, event: UpdateReceived) -> None:
        self.round.accept(event)
        self.counted.setdefault(event.client, set()).add(event.round_id)
        self.backlog.assignments.pop(event.client, None)

    def _declined(self, event: ClientDeclined) -> Commands:
        late = self.backlog.find(event.client, event.round_id) is not None
        missing = self._is_open(event.round_id) and self.round.is_missing(event.client)
        if not (late or missing):
            return []
        if event.reason == "failed" and self.plan.on_divergence == "stop":
            return self._fail(failures.of_training(event))
        diverged = event.reason == "diverged"
        return self._lose(event.client, event.detail or event.reason, diverged, event.step)

    def _lose(self, client: ClientId, why: str, diverged: bool = False, step: int = 0) -> Commands:
        if diverged and self.plan.on_divergence == "stop":
            round_id = self.round.round_id
            return self._fail(failures.of_divergence(round_id, client, why, step))
        if self.backlog.assignments.pop(client, None) is None:
            self.round.lost[client] = why
        return [*self._ask_more(), *self._close_if_complete()]

    def _ask_more(self) -> Commands:
        """Keeps `concurrency` clients at work, where the federation is asynchronous."""
        more = self.round.more(self.plan, self.now_s) if self.phase == "collecting" else []
        return self._offer(more)

    def _deadline_passed(self, event: DeadlinePassed) -> Commands:
        if event.task == "evaluate":
            return self._surveyed(event.round_id, {client: {} for client in self.survey.missing})
        return self._close() if self._is_open(event.round_id) else []

    def _lease_expired(self, event: LeaseExpired) -> Commands:
        most = self.plan.max_attempts
        hopeless = most is not None and event.attempt >= most
        held = self.backlog.expire(event) or self._asked.expire(event)
        if held is None:
            return []
        if event.task == "evaluate":
            nothing: Mapping[ClientId, Metrics] = {event.client: {}}
            return self._surveyed(event.round_id, nothing) if hopeless else self._offer([held])
        spares = self.round.spare(self.plan, self.now_s) if self.phase == "collecting" else []
        if hopeless:
            return [*self._offer(spares), *self._lose(event.client, failures.SILENT)]
        return self._offer([held, *spares])

    def _is_open(self, round_id: int) -> bool:
        return self.phase == "collecting" and round_id == self.round.round_id

    def _ack(self, event: UpdateReceived, verdict: Verdict, detail: str = "") -> Send:
        return Send(Ack(event.client, event.round_id, verdict, detail, self.epoch))

    # ── a round closes ───────────────────────────────────────────────────────────────────────────

    def _close_if_complete(self) -> Commands:
        if self.phase != "collecting" or self.round.waits(self.plan):
            return []
        return self._close()

    def _close(self) -> Commands:
        error = failures.of_closing(self.round, self.plan.quorum)
        if error is not None:
            return self._fail(error)
        if self.plan.carry_over:
            self.backlog.assignments |= {one.client: one for one in self.round.open}
        self.phase = "aggregating"
        return [self._aggregate()]

    def _ordered(self) -> tuple[Row, ...]:
        return self.round.rows(self.plan.staleness)

    def _aggregate(self) -> Aggregate:
        scale = self.round.scale(self.plan.staleness)
        return Aggregate(self.round.round_id, self.broadcast, self.kept, self._ordered(), scale)

    def _aggregated(self, event: Aggregated) -> Commands:
        if self.phase != "aggregating" or event.round_id != self.round.round_id:
            return []
        self.phase, self.pending = "committing", event
        return self._commit()

    def _commit(self) -> Commands:
        if self.evaluating or self.pending is None:
            return []
        record = self.round.record(self.pending, self._ordered(), self.previous)
        return [Commit(self.standings.judged(record, self.plan))]

    def _committed(self, event: RoundCommitted) -> Commands:
        if self.phase != "committing" or event.round_id != self.round.round_id:
            return []
        self.broadcast, self.kept, self.model = event.broadcast, event.kept, event.model
        self.previous, self.pending, self.last = receipt(event), None, self.round
        self.standings.commit(event, self.round.asked)
        return self._after_commit()

    # ── between rounds ───────────────────────────────────────────────────────────────────────────

    def _after_commit(self) -> Commands:
        if not self.plan.evaluates(self.round.round_id):
            return self._survey()
        evaluate = self.evaluating = Evaluate(self.round.round_id, self.broadcast)
        return [*self._survey(), evaluate]  # the clients first: they work meanwhile

    def _evaluated(self, event: Evaluated) -> Commands:
        if self.evaluating is None or self.evaluating.round_id != event.round_id:
            return []
        self.evaluating = None
        if self.phase == "committing":
            return self._commit()
        return self._finish() if self.phase == "finished" else []

    def _survey(self) -> Commands:
        evaluators = self.standings.free(self.plan.evaluators)
        if not (self.plan.evaluates_federated(self.round.round_id) and evaluators):
            return self._next()
        self.phase = "surveying"
        self.survey = Survey.of(evaluators, self.round.round_id, self.broadcast, self.now_s)
        return self._offers()

    def _surveyed(self, round_id: int, found: Mapping[ClientId, Metrics]) -> Commands:
        if self.phase != "surveying" or round_id != self.survey.round_id:
            return []
        self.survey.take(found)
        if not self.survey.is_complete:
            return []
        self.validation.judge(self.survey, self.broadcast, self.kept, self.model)
        return self._next()

    def _next(self) -> Commands:
        if self.round.round_id < self.plan.rounds and not self.validation.stops(self.plan):
            return self._open()
        self.phase = "finished"
        late = [self._ack(event, "late") for event in self.backlog.clear()]
        return [*late, *self._finish()]

    def _finish(self) -> Commands:
        if self.evaluating:
            return []
        last = self.round.round_id, self.broadcast, self.model
        return [self.validation.result(self.plan, *last)]

    def _operated(self, event: OperatorEvent) -> Commands:
        if self.phase in OVER:
            return []
        if isinstance(event, AbortRequested):
            return self._fail(event.failure(self.round.round_id))
        if isinstance(event, ClientQuarantined):
            return self._quarantined(event)
        if isinstance(event, ClientReleased):
            self.standings.release(event.client)
            return []
        self.paused = isinstance(event, PauseRequested)
        return self._open() if self.phase == "paused" and not self.paused else []

    def _quarantined(self, event: ClientQuarantined) -> Commands:
        """Takes back what the client was asked; what was accepted of it before still counts."""
        client = event.client
        if not self.standings.hold(event, self.round.round_id):
            return []
        why = self.standings.why(client)
        gone = [self._ack(one, "refused", why) for one in self.backlog.drop(client)]
        if self.phase == "surveying":
            return [*gone, *self._surveyed(self.survey.round_id, {client: {}})]
        at = self.plan, self.now_s
        instead = self.round.bar(client, why, *at) if self.phase == "collecting" else []
        return [*gone, *self._offer(instead), *self._ask_more(), *self._close_if_complete()]

    def _fail(self, error: FedplatError) -> Commands:
        self.phase, self.failure = "failed", error
        return [Fail(error)]
