"""The coordinator's machine: events in, commands out.  Sans I/O; its state is a fold of its log.

idle ─Initialised→ collecting ─enough│nobody missing│DeadlinePassed→ aggregating ─Aggregated→
committing ─RoundCommitted→ [surveying ─EvaluationReceived…→] collecting … → finished;  any → failed
A federation that the operator paused stands in `paused` where it would open a round.

A committed model is evaluated beside all this, while the next round goes on; the next commit, and
the end, wait for it.
"""

from dataclasses import dataclass, field
from typing import Literal, assert_never

from fedplat.engine.commands import (
    Aggregate,
    Commit,
    CoordinatorCommand,
    Evaluate,
    Fail,
    Finish,
    FoldAhead,
    Send,
    SetDeadline,
)
from fedplat.engine.events import (
    AbortRequested,
    Aggregated,
    ClientDeclined,
    CoordinatorEvent,
    DeadlinePassed,
    Evaluated,
    EvaluationReceived,
    Initialised,
    OperatorEvent,
    PauseRequested,
    ResumeRequested,
    RoundCommitted,
    UpdateReceived,
)
from fedplat.engine.journal import receipt
from fedplat.engine.messages import Ack, Offer, Verdict
from fedplat.engine.plan import Plan
from fedplat.engine.round import Round
from fedplat.engine.validation import Validated, validation_loss
from fedplat.errors import DivergenceError, FedplatError, QuorumError, RoundError, TrainingError
from fedplat.types import ClientId, Digest, Metrics, merge

Phase = Literal[
    "idle", "collecting", "aggregating", "committing", "surveying", "paused", "finished", "failed"
]
Commands = list[CoordinatorCommand]


@dataclass(slots=True)
class Coordinator:
    """Runs the rounds of a federation.

    Guarantees: the same log gives the same state, and `resume` then asks for exactly what is still
    outstanding; each client counts at most once a round; what arrives after a round has closed is
    answered "late" and changes nothing; accepted updates are handed on in ClientId order, whatever
    the order of arrival.
    """

    plan: Plan
    phase: Phase = "idle"
    now_s: float = 0.0
    broadcast: Digest = Digest("")
    kept: Digest = Digest("")
    model: Digest = Digest("")
    previous: Digest = Digest("")
    round: Round = field(default_factory=Round)
    last: Round = field(default_factory=Round)
    counted: dict[ClientId, set[int]] = field(default_factory=dict)
    pending: Aggregated | None = None
    surveyed: dict[ClientId, Metrics] = field(default_factory=dict)
    evaluating: Evaluate | None = None
    best: Validated | None = None
    not_better: int = 0
    failure: FedplatError | None = None
    paused: bool = False

    def handle(self, event: CoordinatorEvent) -> Commands:
        """Advances the machine by one event; returns what is to be done, in order."""
        self.now_s = max(self.now_s, event.time_s)
        match event:
            case Initialised():
                return self._initialised(event)
            case UpdateReceived():
                return self._update_received(event)
            case ClientDeclined(task="evaluate"):
                return self._surveyed(event.round_id, event.client, {})
            case ClientDeclined():
                return self._declined(event)
            case EvaluationReceived():
                return self._surveyed(event.round_id, event.client, event.metrics)
            case DeadlinePassed(_, round_id):
                stale = round_id != self.round.round_id or self.phase != "collecting"
                return [] if stale else self._close()
            case Aggregated():
                return self._aggregated(event)
            case RoundCommitted():
                return self._committed(event)
            case Evaluated():
                return self._evaluated(event)
            case PauseRequested() | ResumeRequested() | AbortRequested():
                return self._operated(event)
            case _:
                assert_never(event)

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
        match self.phase:
            case "idle" | "paused" | "failed":
                return [] if self.failure is None else [Fail(self.failure)]
            case "collecting":
                return self._offers()
            case "aggregating":
                return [self._aggregate()]
            case "committing":
                return self._commit()
            case "surveying":
                return self._survey_offers()
            case "finished":
                return self._finish()
            case _:
                assert_never(self.phase)

    def outstanding(self, client: ClientId) -> Commands:
        """What one client should hear again when it comes back: messages may have been lost."""
        counted = self.counted.get(client)
        acks = [Send(Ack(client, max(counted), "accepted"))] if counted else []
        offers: Commands = []
        if self.phase == "collecting":
            offers = self._offers()
        elif self.phase == "surveying":
            offers = self._survey_offers()
        sent = (one for one in offers if isinstance(one, Send) and one.message.client == client)
        return [*acks, *sent]

    # ── a round opens ────────────────────────────────────────────────────────────────────────────

    def _initialised(self, event: Initialised) -> Commands:
        if self.phase != "idle":
            return []
        self.broadcast, self.kept, self.model = event.broadcast, event.kept, event.model
        if self.plan.rounds == 0:
            return self._after_commit()
        return self._open()

    def _open(self) -> Commands:
        if self.paused:
            self.phase = "paused"
            return []
        round_id = self.round.round_id + 1
        selected = self.plan.select(round_id, self.now_s)
        self.phase = "collecting"
        in_order = sorted(selected, key=lambda one: one.client.encode())
        self.round = Round(round_id, self.now_s, {one.client: one for one in in_order})
        return self._offers() if selected else self._close()

    def _offers(self) -> Commands:
        commands: Commands = []
        if self.plan.deadline_s is not None:
            due_s = self.round.opened_s + self.plan.deadline_s
            commands.append(SetDeadline(self.round.round_id, due_s))
        waited_s = self.now_s - self.round.opened_s
        for client in self.round.missing:
            one = self.round.asked[client]
            delay_s = max(0.0, one.delay_s - waited_s)
            offer = Offer(client, self.round.round_id, "fit", self.broadcast, one.dropout, delay_s)
            commands.append(Send(offer))
        return commands

    # ── answers come in ──────────────────────────────────────────────────────────────────────────

    def _update_received(self, event: UpdateReceived) -> Commands:
        if event.round_id in self.counted.get(event.client, ()):
            return [self._ack(event, "accepted")]  # a duplicate counts once, whenever it comes
        if event.round_id > self.round.round_id:
            return [self._ack(event, "refused", f"round {event.round_id} is not open yet")]
        if not self._is_open(event.round_id):
            return [self._ack(event, "late")]
        if event.client not in self.round.asked:
            return [self._ack(event, "refused", f"not asked in round {event.round_id}")]
        if event.flaw:
            return [
                self._ack(event, "refused", event.flaw),
                *self._lose(event.client, event.flaw, diverged="finite" in event.flaw),
            ]
        self.round.accepted[event.client] = event
        self.counted.setdefault(event.client, set()).add(event.round_id)
        self.round.lost.pop(event.client, None)
        return [self._ack(event, "accepted"), *self._fold_ahead(), *self._close_if_complete()]

    def _declined(self, event: ClientDeclined) -> Commands:
        if not self._is_open(event.round_id) or event.client not in self.round.missing:
            return []
        if event.reason == "failed" and self.plan.on_divergence == "stop":
            return self._fail(
                TrainingError(
                    round_id=event.round_id,
                    client=event.client,
                    stage="training",
                    reason=event.detail,
                )
            )
        diverged = event.reason == "diverged"
        return self._lose(event.client, event.detail or event.reason, diverged, event.step)

    def _lose(self, client: ClientId, why: str, diverged: bool, step: int = 0) -> Commands:
        if diverged and self.plan.on_divergence == "stop":
            what = why.removesuffix(" is not finite")
            return self._fail(
                DivergenceError(round_id=self.round.round_id, client=client, step=step, what=what)
            )
        self.round.lost[client] = why
        return self._close_if_complete()

    def _is_open(self, round_id: int) -> bool:
        return self.phase == "collecting" and round_id == self.round.round_id

    def _ack(self, event: UpdateReceived, verdict: Verdict, detail: str = "") -> Send:
        return Send(Ack(event.client, event.round_id, verdict, detail))

    # ── a round closes ───────────────────────────────────────────────────────────────────────────

    def _close_if_complete(self) -> Commands:
        enough = len(self.round.accepted) >= self.plan.per_round
        return self._close() if enough or self.round.complete else []

    def _close(self) -> Commands:
        accepted, asked = len(self.round.accepted), len(self.round.asked)
        if accepted < self.plan.quorum:
            reasons = sorted(set(self.round.lost.values())) or ["no answer in time"]
            return self._fail(
                QuorumError(
                    round_id=self.round.round_id,
                    accepted=accepted,
                    asked=asked,
                    quorum=self.plan.quorum,
                    reasons=", ".join(reasons),
                )
            )
        if not any(event.weight > 0 for event in self.round.accepted.values()):
            reason = "no accepted client has a training sample; use larger shards"
            return self._fail(RoundError(round_id=self.round.round_id, reason=reason))
        self.phase = "aggregating"
        return [self._aggregate()]

    def _fold_ahead(self) -> Commands:
        start = self.round.folded
        settled = self.round.settle()
        if not settled:
            return []
        return [FoldAhead(self.round.round_id, start, tuple(map(_row, settled)))]

    def _ordered(self) -> tuple[tuple[ClientId, Digest, float], ...]:
        events = sorted(self.round.accepted.values(), key=lambda event: event.client.encode())
        return tuple(map(_row, events))

    def _aggregate(self) -> Aggregate:
        return Aggregate(self.round.round_id, self.broadcast, self.kept, self._ordered())

    def _aggregated(self, event: Aggregated) -> Commands:
        if self.phase != "aggregating" or event.round_id != self.round.round_id:
            return []
        self.phase, self.pending = "committing", event
        return self._commit()

    def _commit(self) -> Commands:
        return [] if self.evaluating else [Commit(self._record())]

    def _record(self) -> RoundCommitted:
        if self.pending is None:
            raise RuntimeError("a commit without an aggregate")  # unreachable: `_aggregated` set it
        return RoundCommitted(
            time_s=self.pending.time_s,
            round_id=self.round.round_id,
            broadcast=self.pending.broadcast,
            kept=self.pending.kept,
            model=self.pending.model,
            accepted=self._ordered(),
            metrics=merge(event.metrics for event in self.round.accepted.values()),
            previous=self.previous,
        )

    def _committed(self, event: RoundCommitted) -> Commands:
        if self.phase != "committing" or event.round_id != self.round.round_id:
            return []
        self.broadcast, self.kept, self.model = event.broadcast, event.kept, event.model
        self.previous, self.pending, self.last = receipt(event), None, self.round
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
        if not self.plan.evaluates_federated(self.round.round_id):
            return self._next()
        self.phase, self.surveyed = "surveying", {}
        return self._survey_offers()

    def _survey_offers(self) -> Commands:
        missing = [client for client in self.plan.evaluators if client not in self.surveyed]
        return [
            Send(Offer(client, self.round.round_id, "evaluate", self.broadcast))
            for client in missing
        ]

    def _surveyed(self, round_id: int, client: ClientId, metrics: Metrics) -> Commands:
        if self.phase != "surveying" or round_id != self.round.round_id:
            return []
        self.surveyed.setdefault(client, metrics)
        if not self.surveyed.keys() >= set(self.plan.evaluators):
            return []
        self._validate()
        return self._next()

    def _validate(self) -> None:
        """Remembers this round's model, if the clients' validation loss is less than ever."""
        loss = validation_loss(self.surveyed.values())
        if loss is not None and (self.best is None or loss < self.best.loss):
            self.not_better = 0
            self.best = Validated(self.round.round_id, loss, self.broadcast, self.kept, self.model)
        else:
            self.not_better += 1

    def _next(self) -> Commands:
        patience = self.plan.patience
        stops = patience is not None and self.not_better >= patience
        if self.round.round_id < self.plan.rounds and not stops:
            return self._open()
        self.phase = "finished"
        return self._finish()

    def _finish(self) -> Commands:
        return [] if self.evaluating else [self._result()]

    def _result(self) -> Finish:
        last, best = self.round.round_id, self.best
        if self.plan.keep_best and best is not None:
            return Finish(last, best.round_id, best.broadcast, best.model)
        return Finish(last, last, self.broadcast, self.model)

    def _operated(self, event: OperatorEvent) -> Commands:
        if self.phase in ("finished", "failed"):
            return []
        if isinstance(event, AbortRequested):
            return self._fail(event.failure(self.round.round_id))
        self.paused = isinstance(event, PauseRequested)
        return self._open() if self.phase == "paused" and not self.paused else []

    def _fail(self, error: FedplatError) -> Commands:
        self.phase, self.failure = "failed", error
        return [Fail(error)]


def _row(event: UpdateReceived) -> tuple[ClientId, Digest, float]:
    return event.client, event.update, event.weight
