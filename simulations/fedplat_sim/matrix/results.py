"""What a matrix found: for each rule, row and column the worst that an attack did to it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fedplat_sim.matrix.cells import ATTACK, LIARS, Place, places
from fedplat_sim.matrix.definition import Matrix
from fedplat_sim.sweep.intervals import Estimate, estimate
from fedplat_sim.sweep.results import BY_NAME, Measure

Record = Mapping[str, Any]
State = Literal["done", "failed", "refused"]
MEASURED = ("accuracy", "rmse", "client_accuracy", "client_rmse")
SUCCESS = "attack_success"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One place over its seeds: a mean, or the reason why there is none.

    `success` is the mean rate of a targeted attack.
    """

    place: Place
    state: State
    score: Estimate | None = None
    success: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A cell of a heat map: the worst over attacks.

    It is a number only where every attack came to one.
    """

    rule: str
    row: int
    liars: int
    outcomes: tuple[Outcome, ...]
    worst: Outcome

    @property
    def state(self) -> State:
        return self.worst.state


@dataclass(frozen=True, slots=True)
class Results:
    """The boxes of every rule, row after row, and the figure that they show."""

    matrix: Matrix
    boxes: tuple[Box, ...]
    measure: Measure

    def of(self, rule: str) -> list[Box]:
        return [box for box in self.boxes if box.rule == rule]

    def under(self, rule: str, attack: str) -> list[Outcome]:
        """A rule's outcomes under one attack, over rows and columns."""
        every = (outcome for box in self.of(rule) for outcome in box.outcomes)
        return [one for one in every if one.place.attack == attack]

    @property
    def attacks(self) -> list[str]:
        """In the file's order; `none` first, where a column without liars brings it."""
        seen = {one.place.attack for box in self.boxes for one in box.outcomes}
        return [*sorted(seen - self.matrix.attacks.keys()), *self.matrix.attacks]

    def worst(self, outcomes: Iterable[Outcome]) -> Outcome:
        return worst(list(outcomes), "rmse" not in self.measure.name)


def gather(matrix: Matrix, records: Iterable[Record], refused: Mapping[Place, str]) -> Results:
    """Makes the results of all cells' records.

    Guarantees: a function of the matrix, the records and the refusals, whatever their order.
    """
    known = sorted(records, key=lambda record: int(record["seed"]))
    measure = BY_NAME[_measured(known)]
    by_place: dict[Place, list[Record]] = {}
    for record in known:
        by_place.setdefault(_place(matrix, record), []).append(record)
    groups: dict[tuple[str, int, int], list[Outcome]] = {}
    for place in places(matrix):
        found = _outcome(place, by_place.get(place, []), refused.get(place, ""), measure.name)
        groups.setdefault((place.rule, place.row, place.liars), []).append(found)
    more_is_better = "rmse" not in measure.name
    boxes = (
        Box(*at, tuple(outcomes), worst(outcomes, more_is_better))
        for at, outcomes in groups.items()
    )
    return Results(matrix, tuple(boxes), measure)


def worst(outcomes: Sequence[Outcome], more_is_better: bool) -> Outcome:
    """A failed run before a refused one before the worst number; of equals the first."""
    for state in ("failed", "refused"):
        for one in outcomes:
            if one.state == state:
                return one
    sign = 1 if more_is_better else -1
    return min(outcomes, key=lambda one: sign * one.score.mean if one.score else 0.0)


def _measured(records: Sequence[Record]) -> str:
    """The first figure that every finished run has."""
    done = [record["measures"] for record in records if record["state"] == "done"]
    for name in MEASURED:
        if done and all(name in measures for measures in done):
            return name
    return "accuracy"


def _place(matrix: Matrix, record: Record) -> Place:
    point = record["point"]
    row = matrix.values.index(point[matrix.key]) if matrix.key else 0
    return Place(record["arm"], point[ATTACK], row, point[LIARS])


def _outcome(place: Place, records: Sequence[Record], refused: str, measure: str) -> Outcome:
    if refused:
        return Outcome(place, "refused", reason=refused)
    for record in records:
        if record["state"] == "failed":
            reason = f"seed {record['seed']}: {record['reason']}"
            return Outcome(place, "failed", reason=reason)
    score = estimate([r["measures"][measure] for r in records if measure in r["measures"]])
    if score is None:
        return Outcome(place, "failed", reason=f"no run has a figure of {measure}")
    rates = [r["measures"][SUCCESS] for r in records if SUCCESS in r["measures"]]
    return Outcome(place, "done", score, sum(rates) / len(rates) if rates else None)
