"""What the rounds' records say of each client that a robust rule has judged, and who is suspect.

A hint, never a proof: `fedplat.engine.suspicion` says what it misses and whom it wrongs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fedplat.engine.suspicion import NOTHING, Suspicion, scores_of
from fedplat.telemetry import readable
from fedplat.telemetry.records import Round
from fedplat.types import ClientId

SUSPECT = 0.9  # the suspicion from which on a client is named
FEWEST = 5  # rounds that it must rest on, unless the rule left the client out
NAMED = 5  # clients that a line has room for


@dataclass(frozen=True, slots=True)
class Conduct:
    """How one client fared over the `rounds` that judged it.

    `left_out` are the rounds whose rule did not use its update, `reason` why the last time.
    `influence` sums its shares of the aggregates, 1 an equal one; `claimed` what these would have
    been, had every claimed weight counted.
    """

    rounds: int = 0
    left_out: int = 0
    influence: float = 0.0
    claimed: float = 0.0
    suspicion: Suspicion = NOTHING
    reason: str = ""

    @property
    def mean_influence(self) -> float:
        """1 is an equal share; 0 of no round."""
        return self.influence / max(1, self.rounds)

    @property
    def mean_claimed(self) -> float:
        return self.claimed / max(1, self.rounds)

    @property
    def suspected(self) -> float:
        """In [0, 1]; 0 as long as no round has said anything."""
        return self.suspicion.value or 0.0


@dataclass(frozen=True, slots=True)
class Conducts:
    """Every judged client's conduct, and the rounds that were abandoned; `after` adds a round.

    `abandoned` has the number and the reason of each.
    """

    of: Mapping[str, Conduct] = field(default_factory=dict)
    abandoned: tuple[tuple[int, str], ...] = ()

    def after(self, record: Round) -> "Conducts":
        """The conducts once this round has been committed too."""
        abandoned = self.abandoned
        if record.abandoned:
            abandoned = (*abandoned, (record.round, record.abandoned))
        if not (record.influence or record.left_out):
            return Conducts(self.of, abandoned)
        return Conducts({**self.of, **_judged(self.of, record)}, abandoned)

    def by_suspicion(self) -> list[tuple[str, Conduct]]:
        """The most suspect first; of equals those left out more often, then the smaller id."""
        return sorted(
            self.of.items(),
            key=lambda one: (-one[1].suspected, -one[1].left_out, one[0].encode()),
        )

    def suspects(self) -> list[tuple[str, Conduct]]:
        """The clients that were left out, or counted next to nothing over enough rounds.

        Guarantees: none for having little influence only, where more than half of the clients have
        it: a rule that uses few updates of a round says nothing of the others.
        """
        left_out = [one for one in self.by_suspicion() if one[1].left_out]
        quiet = [
            one
            for one in self.by_suspicion()
            if not one[1].left_out and one[1].suspected >= SUSPECT and one[1].rounds >= FEWEST
        ]
        return left_out if 2 * len(quiet) > len(self.of) else [*left_out, *quiet]


def in_words(client: str, conduct: Conduct) -> str:
    """Why a client is suspect.

    >>> in_words("client-000003", Conduct(rounds=20, left_out=19))
    'client-000003 (refused in 19 of 20 rounds)'
    """
    if conduct.left_out:
        return f"{client} (refused in {conduct.left_out} of {conduct.rounds} rounds)"
    share = readable.percent(conduct.mean_influence, 0)
    return f"{client} (counted {share} of an equal share)"


def named(found: Iterable[tuple[str, Conduct]]) -> str:
    """The suspects in one line; of many the first."""
    every = [in_words(client, conduct) for client, conduct in found]
    more = f" and {len(every) - NAMED:,} more" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more


def shares(record: Round) -> dict[str, float]:
    """Each client's influence in a round, 1 an equal share; a client left out has none."""
    equal = len(record.influence)
    found = {client: share * equal for client, share in record.influence.items()}
    return {**found, **dict.fromkeys(record.left_out, 0.0)}


def claims(record: Round) -> dict[str, float]:
    """What the shares would be, had every claimed weight counted."""
    whole, equal = sum(record.claimed.values()), len(record.claimed)
    return {client: weight * equal / whole for client, weight in record.claimed.items() if whole}


def _judged(before: Mapping[str, Conduct], record: Round) -> dict[str, Conduct]:
    """The conducts of the round's own clients."""
    counted, claimed = shares(record), claims(record)
    scores = scores_of({ClientId(c): s for c, s in counted.items()}, map(ClientId, record.left_out))
    found = {}
    for client, score in scores.items():
        old = before.get(client, Conduct())
        found[str(client)] = Conduct(
            rounds=old.rounds + 1,
            left_out=old.left_out + (client in record.left_out),
            influence=old.influence + counted[client],
            claimed=old.claimed + claimed.get(client, 0.0),
            suspicion=old.suspicion.after(score),
            reason=record.left_out.get(client, old.reason),
        )
    return found
