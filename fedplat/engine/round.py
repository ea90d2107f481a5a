"""A round as the coordinator's machine sees it."""

from dataclasses import dataclass, field

from fedplat.engine.assignment import Assignment
from fedplat.engine.backlog import Backlog
from fedplat.engine.commands import CoordinatorCommand, SetDeadline
from fedplat.engine.events import Aggregated, LeaseExpired, RoundCommitted, UpdateReceived
from fedplat.engine.messages import Verdict
from fedplat.engine.plan import Plan, Selected
from fedplat.engine.staleness import Staleness
from fedplat.types import ClientId, Digest, merge

Row = tuple[ClientId, Digest, float]


@dataclass(slots=True)
class Round:
    """The round in progress: who was asked, and what has become of each.

    `accepted` may hold updates that were asked for in earlier rounds, which `backlog` knew of.
    """

    round_id: int = 0
    opened_s: float = 0.0
    broadcast: Digest = Digest("")
    backlog: Backlog = field(default_factory=Backlog)
    asked: dict[ClientId, Assignment] = field(default_factory=dict)
    accepted: dict[ClientId, UpdateReceived] = field(default_factory=dict)
    lost: dict[ClientId, str] = field(default_factory=dict)
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
        in_order = sorted(drawn, key=lambda one: one.client.encode())
        return [self._ask(one, now_s) for one in in_order if self._is_free(one.client)]

    def more(self, plan: Plan, now_s: float) -> list[Assignment]:
        """Asks as many as an asynchronous federation has too few at work."""
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
        return None

    def _is_free(self, client: ClientId) -> bool:
        busy = client in self.asked or client in self.backlog.assignments
        return not busy and client not in self.accepted

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
        if event.round_id > self.round_id:
            return "refused", f"round {event.round_id} is not open yet"
        if event.round_id < self.round_id or not collecting:
            return "late", ""
        if event.client not in self.asked:
            return "refused", f"not asked in round {event.round_id}"
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
