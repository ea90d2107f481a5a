"""What the coordinator has to know of a scenario: numbers and one function, no parts."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from fedplat import check
from fedplat.engine.staleness import Constant, Staleness
from fedplat.engine.suspicion import QuarantineAfter
from fedplat.types import ClientId


@dataclass(frozen=True, slots=True)
class Selected:
    """A client that a round asks, with the misfortune that the scenario simulates for it."""

    client: ClientId
    dropout: bool = False
    delay_s: float = 0.0


# draws clients for a round, given the round and the time; the same ones every time
Select = Callable[[int, float], tuple[Selected, ...]]
# likewise, one after another: as many as the round takes of them
StandIns = Callable[[int, float], Iterable[Selected]]


def nobody(round_id: int, time_s: float) -> tuple[Selected, ...]:
    """Draws no client."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The course of a federation.

    A round asks the clients that `select` draws and closes when `per_round` updates are accepted,
    when nobody is missing, or at `deadline_s`; it needs `quorum` accepted updates.  The model is
    evaluated centrally every `evaluate_every` rounds and after the last one (0: only after the
    last), by the clients of `evaluators` every `federated_every` rounds likewise (None: never).
    `keep_best` makes the result the model with the least loss on the clients' validation splits,
    else it is the last one; `patience` stops after so many of their evaluations without a lesser.

    With `carry_over` an update that comes after its round has closed counts in a later one, times
    `staleness` of the rounds between, up to `max_staleness` of them; else it is refused as late.
    With `concurrency` the federation is asynchronous: so many clients are kept at work, and every
    `per_round` updates make a round (FedBuff's buffer).  `reserve` draws, in a random order, the
    clients that are asked one by one: as soon as somebody is wanted where the federation is
    asynchronous, else up to `spares` a round in the place of clients whose lease has expired.

    An assignment's lease is `lease_s` (None: for ever); after `max_attempts` expired ones its
    client is given up for the round (None: never).

    `registered` clients there are in all (None: nobody knows).  In the place of those in quarantine
    the first free ones of `stand_ins` are asked, which draws everybody in a random order.
    `quarantine_after` lets the coordinator put clients in quarantine itself, as long as `quorum`
    others are left.
    Units: `deadline_s` seconds after the round, or its evaluation by the clients, began; `lease_s`
    seconds without a sign of life.
    Raises: ValueError, if a number is out of its range.
    """

    rounds: int
    per_round: int
    select: Select
    evaluators: tuple[ClientId, ...] = ()
    quorum: int = 1
    deadline_s: float | None = None
    on_divergence: Literal["stop", "drop_client"] = "stop"
    evaluate_every: int = 1
    federated_every: int | None = 0
    keep_best: bool = False
    patience: int | None = None
    carry_over: bool = False
    max_staleness: int | None = None
    staleness: Staleness = field(default=Constant())
    concurrency: int | None = None
    reserve: Select = nobody
    spares: int = 0
    lease_s: float | None = None
    max_attempts: int | None = None
    registered: int | None = None
    stand_ins: StandIns = nobody
    quarantine_after: QuarantineAfter | None = None

    def __post_init__(self) -> None:
        check.non_negative(rounds=self.rounds, evaluate_every=self.evaluate_every)
        check.at_least(1, per_round=self.per_round, quorum=self.quorum)
        if self.quorum > self.per_round:
            raise ValueError(f"quorum {self.quorum} is more than per_round {self.per_round}")
        if self.deadline_s is not None:
            check.positive(deadline_s=self.deadline_s)
        if self.federated_every is not None:
            check.non_negative(federated_every=self.federated_every)
        check.whole(0, spares=self.spares)
        for name in ("patience", "max_attempts"):
            if getattr(self, name) is not None:
                check.at_least(1, **{name: getattr(self, name)})
        if self.registered is not None:
            check.whole(1, registered=self.registered)
        if self.quarantine_after is not None and self.registered is None:
            raise ValueError("quarantine_after needs `registered`: how many clients there are")
        if self.lease_s is not None:
            check.positive(lease_s=self.lease_s)
        if self.max_staleness is not None:
            check.whole(0, max_staleness=self.max_staleness)
        if self.concurrency is not None and not self.carry_over:
            raise ValueError("an asynchronous federation carries late updates over")
        if self.concurrency is not None and self.concurrency < self.per_round:
            raise ValueError(
                f"concurrency {self.concurrency} is less than per_round {self.per_round}: "
                "the buffer would never fill"
            )

    def evaluates(self, round_id: int) -> bool:
        return round_id == self.rounds or _divides(self.evaluate_every, round_id)

    def evaluates_federated(self, round_id: int) -> bool:
        if self.federated_every is None or not self.evaluators:
            return False
        return round_id == self.rounds or _divides(self.federated_every, round_id)


def _divides(every: int, round_id: int) -> bool:
    return every > 0 and round_id % every == 0
