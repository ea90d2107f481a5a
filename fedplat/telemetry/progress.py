"""How far a run is: the fold of its records that every display shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fedplat.telemetry.conduct import Conducts
from fedplat.telemetry.records import (
    AttackSuccess,
    Baseline,
    ClientEnvironment,
    Finished,
    Record,
    Round,
    Started,
)


@dataclass(frozen=True, slots=True)
class Progress:
    """The sums and the last values over the records so far; `after` adds one.

    `scores` are the rounds that were evaluated, with their accuracy (rmse for a regression);
    `joined` the clients that a coordinator has welcomed so far.
    """

    started: Started | None = None
    last: Round | None = None
    evaluated: Round | None = None
    scores: tuple[tuple[int, float], ...] = ()
    losses: tuple[float, ...] = ()
    bytes_up: int = 0
    bytes_down: int = 0
    dropped: int = 0
    late: int = 0
    stale: int = 0
    refused: int = 0
    unlike: int = 0
    joined: frozenset[str] = frozenset()
    baselines: tuple[Baseline, ...] = ()
    conducts: Conducts = field(default_factory=Conducts)
    attack: AttackSuccess | None = None
    finished: Finished | None = None

    def after(self, record: Record) -> "Progress":
        """The progress once `record` has happened too."""
        match record:
            case Started():
                return replace(self, started=record)
            case Round():
                return self._after_round(record)
            case ClientEnvironment():
                return replace(self, joined=self.joined | {record.client})
            case Baseline():
                return replace(self, baselines=(*self.baselines, record))
            case AttackSuccess():
                return replace(self, attack=record)
            case Finished():
                return replace(self, finished=record)
            case _:
                return self

    def _after_round(self, record: Round) -> "Progress":
        score = score_of(record)
        is_new = score is not None or record.loss is not None
        return replace(
            self,
            last=record,
            evaluated=record if is_new else self.evaluated,
            scores=self.scores if score is None else (*self.scores, (record.round, score)),
            losses=self.losses if record.loss is None else (*self.losses, record.loss),
            bytes_up=self.bytes_up + record.bytes_up,
            bytes_down=self.bytes_down + record.bytes_down,
            dropped=self.dropped + record.dropped,
            late=self.late + record.late,
            stale=self.stale + record.stale,
            refused=self.refused + record.refused,
            unlike=self.unlike + record.unlike,
            conducts=self.conducts.after(record),
        )

    @property
    def num_rounds(self) -> int:
        """The rounds that were planned; those that were seen where nobody has said."""
        seen = self.last.round if self.last else 0
        return max(self.started.rounds, seen) if self.started else seen

    @property
    def best(self) -> tuple[int, float] | None:
        """The round of the best score, and the score; the first of equals."""
        if not self.scores:
            return None
        if self.is_regression:
            return min(self.scores, key=lambda entry: entry[1])
        return max(self.scores, key=lambda entry: entry[1])

    @property
    def abandoned(self) -> int:
        """The rounds that changed nothing, because the rule could not answer for them."""
        return len(self.conducts.abandoned)

    @property
    def left_out(self) -> int:
        """The accepted updates that the rule did not use."""
        return sum(conduct.left_out for conduct in self.conducts.of.values())

    @property
    def is_regression(self) -> bool:
        return self.evaluated is not None and is_regression(self.evaluated)


def score_of(record: Round | Baseline | Finished) -> float | None:
    """The accuracy, or the rmse of a regression; None where neither was measured."""
    return record.accuracy if record.accuracy is not None else record.rmse


def is_regression(record: Round | Baseline | Finished) -> bool:
    """Whether the score is an rmse, of which less is better."""
    return record.accuracy is None and record.rmse is not None


def mishaps(counts: Mapping[str, int]) -> str:
    """Says what went wrong with clients, and nothing where nothing did.

    >>> mishaps({"dropped": 2, "late": 0, "refused": 1})
    '2 dropped, 1 refused'
    """
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
