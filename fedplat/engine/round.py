"""A round as the coordinator's machine sees it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from fedplat.engine.assignment import Assignment
from fedplat.engine.backlog import Backlog
from fedplat.engine.commands import CoordinatorCommand, FoldAhead, SetDeadline
from fedplat.engine.events import Aggregated, LeaseExpired, RoundCommitted, UpdateReceived
from fedplat.engine.messages import Verdict
from fedplat.engine.plan import Plan, Selected
from fedplat.engine.staleness import Staleness
from fedplat.engine.standings import Standings
from fedplat.types import ClientId, Digest, merge

Row = tuple[ClientId, Digest, float]


@dataclass(slots=True)
class Round:
    """The round in progress: who was asked, and what has become of each.

    `accepted` may hold updates that were asked for in earlier rounds, which `backlog` knew of;
    `standings` knows whom no round may ask.
    """

    round_id: int = 0
    opened_s: float = 0.0
    broadcast: Digest = Digest("")
    backlog: Backlog = field(default_factory=Backlog)
    standings: Standings = field(default_factory=Standings)
    asked: dict[ClientId, Assignment] = field(default_factory=dict)
    accepted: dict[ClientId, UpdateReceived] = field(default_factory=dict)
    lost: dict[ClientId, str] = field(default_factory=dict)
    barred: set[ClientId] = field(default_factory=set)
    settled: int = 0
    folded: int = 0
    _candidates: list[Selected] | None = None
    _spared: int = 0
    _fresh: int = 0

    @property
    def missing(self) -> list[ClientId]:
        return [client for client in self.asked if self.is_missing(client)]

    def is_missing(self, client: ClientId) -> bool:
        """Whether the client was asked and has not answered."""
        answered = client in self.accepted or client in self.lost
        return client in self.asked and not answered

    def awaited(self, client: ClientId) -> Assignment | None:
        """What the client was asked and has not answered."""
        return self.asked[client] if self.is_missing(client) else None

    @property
    def open(self) -> list[Assignment]:
        """What was asked and not answered yet."""
        return [self.asked[client] for client in self.missing]

    # ── who is asked ─────────────────────────────────────────────────────────────────────────────

    def ask(self, plan: Plan, now_s: float) -> list[Assignment]:
        """Asks the clients that the round begins with."""
        if plan.concurrency is not None:
            return self.more(plan, now_s)
        drawn = plan.select(self.round_id, now_s)
        fit = [one for one in drawn if one.client not in self.standings.quarantined]
        taken = frozenset(one.client for one in fit)
        instead = (one for one in self._stand_ins(plan, now_s) if one.client not in taken)
        fit += islice(instead, len(drawn) - len(fit))
        in_order = sorted(fit, key=lambda one: one.client.encode())
        return [self._ask(one, now_s) for one in in_order if self._is_free(one.client)]

    def more(self, plan: Plan, now_s: float) -> list[Assignment]:
        """Asks as many as an asynchronous federation has too few at work.

        It keeps `concurrency` clients at work across rounds; a round is what fills the buffer.
        Source: FedBuff, Nguyen et al. 2022, "Federated Learning with Buffered Asynchronous
        Aggregation", Algorithm 1.  arXiv:2106.06639
        """
        asked = list[Assignment]()
        if plan.concurrency is None or len(self.accepted) >= plan.per_round:
            return []
        while self._at_work < plan.concurrency:
            one = self._candidate(plan, now_s)
            if one is None:
                break
            asked.append(self._ask(one, now_s))
        return asked

    def spare(self, plan: Plan, now_s: float) -> list[Assignment]:
        """Asks somebody in the place of a client of which nothing is heard."""
        if plan.concurrency is not None:
            return self.more(plan, now_s)
        one = self._candidate(plan, now_s) if self._spared < plan.spares else None
        self._spared += one is not None
        return [] if one is None else [self._ask(one, now_s)]

    def bar(self, client: ClientId, why: str, plan: Plan, now_s: float) -> list[Assignment]:
        """Waits no longer for a client in quarantine; asks somebody in its place."""
        if not self.is_missing(client):
            return []
        self.lost[client] = why
        self.barred.add(client)
        if plan.concurrency is not None:
            return self.more(plan, now_s)
        return [self._ask(one, now_s) for one in islice(self._stand_ins(plan, now_s), 1)]

    def can_do_without(self, client: ClientId, plan: Plan, now_s: float) -> bool:
        """Whether the quorum can still be reached if this client's update does not come."""
        late = self.backlog.assignments.keys() - {client}
        coming = len(self.accepted) + len(set(self.missing) - {client}) + len(late)
        others = (one for one in self._stand_ins(plan, now_s) if one.client != client)
        return coming + len(list(islice(others, 1))) >= plan.quorum

    def deadline(self, plan: Plan) -> list[CoordinatorCommand]:
        """Sets the round's deadline, if it has one."""
        if plan.deadline_s is None:
            return []
        return [SetDeadline(self.round_id, self.opened_s + plan.deadline_s)]

    def _candidate(self, plan: Plan, now_s: float) -> Selected | None:
        if self._candidates is None:
            self._candidates = list(plan.reserve(self.round_id, now_s))
        while self._candidates:
            one = self._candidates.pop(0)
            if self._is_free(one.client):
                return one
        if not self.standings.quarantined:
            return None
        return next(self._stand_ins(plan, now_s), None)  # the reserve was drawn with those in it

    def _stand_ins(self, plan: Plan, now_s: float) -> Iterator[Selected]:
        drawn = plan.stand_ins(self.round_id, now_s)
        return (one for one in drawn if self._is_free(one.client))

    def _is_free(self, client: ClientId) -> bool:
        busy = client in self.asked or client in self.backlog.assignments
        barred = client in self.accepted or client in self.standings.quarantined
        return not (busy or barred)

    @property
    def _at_work(self) -> int:
        held = (*self.open, *self.backlog.assignments.values())
        return sum(not one.expired for one in held)

    def _ask(self, selected: Selected, now_s: float) -> Assignment:
        one = Assignment.of(selected, self.round_id, self.broadcast, now_s)
        self.asked[one.client] = one
        return one

    def expire(self, event: LeaseExpired) -> Assignment | None:
        """The assignment that this event is about, to be offered again."""
        held = self.asked.get(event.client)
        if held is None or not (self.is_missing(event.client) and held.is_meant(event)):
            return None
        again = self.asked[event.client] = held.again()
        return again

    # ── what is accepted ─────────────────────────────────────────────────────────────────────────

    def verdict(self, event: UpdateReceived, collecting: bool) -> tuple[Verdict, str]:
        """What becomes of an update that was not asked for in an earlier round, and why."""
        if why := self.standings.why(event.client):
            return "refused", why
        if event.round_id > self.round_id:
            return "refused", f"round {event.round_id} is not open yet"
        if event.round_id < self.round_id or not collecting:
            return "late", ""
        if event.client not in self.asked:
            return "refused", f"not asked in round {event.round_id}"
        if event.client in self.barred:  # it may have been told so before it was released
            return "refused", self.lost[event.client]
        return "accepted", ""

    def waits(self, plan: Plan) -> bool:
        """Whether an update may still come that the round has use for."""
        if len(self.accepted) >= plan.per_round:
            return False
        short = plan.concurrency is not None or len(self.accepted) < plan.quorum
        missing = len(self.asked) - len(self.lost) - self._fresh
        return missing > 0 or (short and bool(self.backlog.assignments))

    def accept(self, event: UpdateReceived) -> None:
        """Counts an update of a client that has none in this round yet."""
        self.accepted[event.client] = event
        self.lost.pop(event.client, None)
        self._fresh += event.round_id == self.round_id

    def rows(self, staleness: Staleness) -> tuple[Row, ...]:
        """The accepted updates in ClientId order, each with the weight that it has here."""
        events = sorted(self.accepted.values(), key=lambda event: event.client.encode())
        return tuple((e.client, e.update, self._weight(e, staleness)) for e in events)

    def scale(self, staleness: Staleness) -> float:
        """What staleness leaves of the accepted updates' weight: 1, if none is stale."""
        if all(event.round_id == self.round_id for event in self.accepted.values()):
            return 1.0
        whole = sum(event.weight for event in self.accepted.values())
        return sum(weight for _, _, weight in self.rows(staleness)) / whole

    def _weight(self, event: UpdateReceived, staleness: Staleness) -> float:
        age = self.round_id - event.round_id
        return event.weight * staleness(age) if age else event.weight

    def record(
        self, aggregated: Aggregated, rows: tuple[Row, ...], previous: Digest
    ) -> RoundCommitted:
        """The round's record, chained to the one before."""
        return RoundCommitted(
            time_s=aggregated.time_s,
            round_id=self.round_id,
            broadcast=aggregated.broadcast,
            kept=aggregated.kept,
            model=aggregated.model,
            accepted=rows,
            metrics=merge(event.metrics for event in self.accepted.values()),
            previous=previous,
            influence=aggregated.influence,
            refused=aggregated.refused,
            abandoned=aggregated.abandoned,
        )

    def fold_ahead(self, plan: Plan) -> list[CoordinatorCommand]:
        """Folds what is settled; nothing where somebody may come before those who are there."""
        if plan.carry_over:
            return []
        start, settled = self.folded, self.settle()
        return [FoldAhead(self.round_id, start, settled)] if settled else []

    def settle(self) -> tuple[Row, ...]:
        """The accepted updates before which, in ClientId order, nobody can come any more.

        Each is given once; `settled` counts the clients passed, `folded` the updates given.
        """
        order, given = list(self.asked), list[Row]()
        while self.settled < len(order):
            client = order[self.settled]
            if client in self.accepted:
                event = self.accepted[client]
                given.append((client, event.update, event.weight))
            elif client not in self.lost:
                break
            self.settled += 1
        self.folded += len(given)
        return tuple(given)
