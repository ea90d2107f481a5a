"""How little of a client's updates a robust rule has used: a hint, never a proof.

A client with unusual data is as suspect as a liar, and a liar that keeps close to the others is
not.  A rule that chooses one update of many (Krum) makes a suspect of everybody else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fedplat import check
from fedplat.engine.events import RoundCommitted
from fedplat.types import ClientId

KEPT = 0.8  # what a round more takes from the weight of those before: about the last five count


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineAfter:
    """When the coordinator puts a client in quarantine by itself: never, unless a plan has this.

    From a `suspicion` on that rests on so many `rounds`; by itself it has at most `most` clients in
    quarantine at a time (None: fewer than half of all).  Where more are as suspect as that, as all
    others are to a rule that chooses one update, it tells nothing, and nobody is put there.
    Raises: ValueError, if a number is out of its range.
    """

    suspicion: float
    rounds: int
    most: int | None = None

    def __post_init__(self) -> None:
        check.in_unit_interval(suspicion=self.suspicion)
        check.whole(1, rounds=self.rounds)
        if self.most is not None:
            check.whole(0, most=self.most)


@dataclass(frozen=True, slots=True)
class Suspicion:
    """An exponentially weighted mean of what `rounds` rounds have said of a client."""

    rounds: int = 0
    total: float = 0.0
    weight: float = 0.0

    @property
    def value(self) -> float | None:
        """In [0, 1]; None, as long as no round has said anything."""
        return self.total / self.weight if self.rounds else None

    def after(self, score: float) -> "Suspicion":
        """The suspicion once a round more has said `score`, in [0, 1]."""
        return Suspicion(self.rounds + 1, self.total * KEPT + score, self.weight * KEPT + 1.0)


NOTHING = Suspicion()


def shares(record: RoundCommitted) -> dict[ClientId, float]:
    """Each accepted client's influence, 1 where it is an equal share; none, if the rule is mute."""
    told = zip(record.accepted, record.influence, strict=False)  # an event is checked when made
    return {client: share * len(record.accepted) for (client, _, _), share in told}


def scores(record: RoundCommitted) -> Mapping[ClientId, float]:
    """What a round says of its clients: 1 − influence × cohort size, at least 0; refused, 1."""
    return scores_of(shares(record), record.refused)


def scores_of(
    shares: Mapping[ClientId, float], refused: Iterable[ClientId]
) -> dict[ClientId, float]:
    """The scores of a round's clients, from what they counted (1: an equal share)."""
    found = {client: 1.0 - min(1.0, share) for client, share in shares.items()}
    return {**found, **dict.fromkeys(refused, 1.0)}
