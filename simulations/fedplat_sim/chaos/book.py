"""What the durable log of a schedule says so far."""

from dataclasses import dataclass, field

from fedplat.engine.events import RoundCommitted, UpdateReceived
from fedplat.engine.plan import Plan
from fedplat.types import ClientId, Digest

Answer = tuple[ClientId, int]  # whose, and to the offer of which round


@dataclass
class Book:
    """What has happened, entry by entry.

    `deadlines` and `given_up` are the rounds whose updates, or evaluations, came to a deadline;
    `counted` says in which round an answer counts, `broadcasts` what each round offered;
    `unasked` came from a client that had been given up, when its round was over.
    `held` are in quarantine now, `lately` were at some time since the last commit; `barred` is what
    can not count for that reason, and `waiting` what counts now or never: it had come of a client
    that was then put in quarantine.
    """

    version: int = 0
    epoch: int = 0
    received: dict[Answer, UpdateReceived] = field(default_factory=dict)
    lost: set[Answer] = field(default_factory=set)
    unasked: set[Answer] = field(default_factory=set)
    held: set[ClientId] = field(default_factory=set)
    lately: set[ClientId] = field(default_factory=set)
    waiting: set[Answer] = field(default_factory=set)
    ever_held: bool = False
    barred: set[Answer] = field(default_factory=set)
    deadlines: dict[int, int] = field(default_factory=dict)  # by round: how many had come
    giving_up: dict[int, int] = field(default_factory=dict)  # likewise, when a client was given up
    commits: list[RoundCommitted] = field(default_factory=list)
    evaluated: set[int] = field(default_factory=set)
    surveyed: set[Answer] = field(default_factory=set)
    given_up: set[int] = field(default_factory=set)
    counted: dict[Answer, int] = field(default_factory=dict)
    broadcasts: list[Digest] = field(default_factory=list)
    state: tuple[Digest, Digest, Digest] = (Digest(""), Digest(""), Digest(""))

    @property
    def open(self) -> int:
        """The round after the last commit."""
        return len(self.commits) + 1

    def hold(self, client: ClientId) -> None:
        """A client comes into quarantine: what has not come of it by now counts no more."""
        self.held.add(client)
        self.lately.add(client)
        self.ever_held = True
        mine = {(client, round_id) for round_id in range(1, self.open + 1)}
        self.barred |= mine - self.received.keys()
        self.waiting |= {one for one in self.received.keys() - self.counted.keys() if one in mine}
        self.surveyed.add((client, self.open - 1))

    def commit(self, event: RoundCommitted) -> None:
        """A round is over: who is in quarantine is not of the next."""
        self.commits.append(event)
        self.barred |= self.waiting - self.counted.keys()
        self.waiting.clear()
        self.barred |= {(client, self.open) for client in self.held}
        self.surveyed |= {(client, event.round_id) for client in self.held}
        self.lately = set(self.held)

    def take(self, event: UpdateReceived) -> None:
        """An update without a flaw; whoever says it twice has said it once."""
        answer = event.client, event.round_id
        if answer not in self.received and answer in self.lost and event.round_id < self.open:
            self.unasked.add(answer)
        self.received.setdefault(answer, event)

    def is_known(self, answer: Answer) -> bool:
        """Whether it is settled what becomes of it."""
        return answer in self.received or answer in self.lost or answer in self.barred

    def usable(self, plan: Plan) -> set[Answer]:
        """What has come and can count in the open round, and counts nowhere yet."""
        most = plan.max_staleness if plan.carry_over else 0
        oldest = 1 if most is None else self.open - most
        fresh = self.received.keys() - self.counted.keys() - self.unasked - self.barred
        return {(client, round_id) for client, round_id in fresh if round_id >= oldest}

    def source(self, client: ClientId, update: Digest) -> Answer | None:
        """The answer that this update was."""
        mine = (a for a, one in self.received.items() if a[0] == client and one.update == update)
        return next(iter(mine), None)
