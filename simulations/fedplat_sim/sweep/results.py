"""What a sweep found: a row for each arm at each point, compared with the first arm in pairs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fedplat_sim.sweep.cells import Point, points, words
from fedplat_sim.sweep.definition import Sweep
from fedplat_sim.sweep.intervals import Estimate, estimate, paired
from fedplat_sim.sweep.selection import Choice

Record = Mapping[str, Any]
Kind = Literal["share", "number", "bytes"]
DRAWS = {"split": "splits", "initial": "initial models", "cohorts": "cohorts"}


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of a cell: its name in the records, its title, how it is read, on what it is."""

    name: str
    title: str
    kind: Kind
    what: str


MEASURES = (
    Measure("accuracy", "accuracy", "share", "of the global model on the held-out test set"),
    Measure("rmse", "RMSE", "number", "of the global model on the held-out test set"),
    Measure("loss", "loss", "number", "of the global model on the held-out test set"),
    Measure(
        "client_accuracy",
        "clients' accuracy",
        "share",
        "of the model that each client would use, on the clients' own test splits",
    ),
    Measure(
        "client_rmse",
        "clients' RMSE",
        "number",
        "of the model that each client would use, on the clients' own test splits",
    ),
    Measure("client_p10", "10th percentile", "share", "of the clients' accuracies"),
    Measure("client_worst", "worst client", "share", "the lowest of the clients' accuracies"),
    Measure("bytes_up", "sent up", "bytes", "all updates of the run, headers included"),
)
BY_NAME = {measure.name: measure for measure in MEASURES}


@dataclass(frozen=True, slots=True)
class Row:
    """One arm at one point of the grid.

    `values` are by measure and seed; `differences` are to the first arm at the same point, seed by
    seed, None for the first arm itself.
    """

    arm: str
    point: Point
    tuned: Point
    values: Mapping[str, Mapping[int, float]]
    curves: Mapping[int, Sequence[tuple[int, float]]]
    differences: Mapping[str, Estimate] | None
    failures: Mapping[int, str]

    def estimate(self, measure: str) -> Estimate | None:
        return estimate(list(self.values.get(measure, {}).values()))


@dataclass(frozen=True, slots=True)
class Results:
    """The rows, point after point; the measure that is compared; what the reader should mind.

    `same_draws`: at each point and seed the arms had one split, one initial model, one sequence of
    cohorts, by their digests.
    """

    rows: tuple[Row, ...]
    measure: Measure
    others: tuple[Measure, ...]
    notes: tuple[str, ...]
    same_draws: bool

    def at(self, point: Point) -> list[Row]:
        return [row for row in self.rows if row.point == point]

    @property
    def points(self) -> list[Point]:
        return list(dict.fromkeys(row.point for row in self.rows))


def gather(sweep: Sweep, choices: Sequence[Choice], records: Iterable[Record]) -> Results:
    """Makes the results of all cells' records.

    Guarantees: a function of the sweep and the records, in whatever order the records come.
    """
    known = sorted(records, key=lambda r: (r["arm"], str(r["point"]), str(r["tuned"]), r["seed"]))
    finals = [record for record in known if not record["trial"]]
    chosen = {(choice.arm, choice.point): choice for choice in choices}
    rows: list[Row] = []
    for point in points(sweep.grid):
        reference = None
        for arm in sweep.arms:
            own = [r for r in finals if r["arm"] == arm.name and r["point"] == dict(point)]
            row = _row(chosen[arm.name, point], own, reference)
            reference = reference or row
            rows.append(row)
    measure = _compared(finals)
    others = [m for m in MEASURES if m is not measure and any(m.name in r.values for r in rows)]
    unequal = list(_unequal_draws([record for record in finals if record["state"] == "done"]))
    notes = dict.fromkeys([*_notes(sweep, choices, rows, known), *unequal])
    return Results(tuple(rows), measure, tuple(others), tuple(notes), same_draws=not unequal)


def _row(choice: Choice, records: Sequence[Record], reference: Row | None) -> Row:
    done = [record for record in records if record["state"] == "done"]
    values = {
        measure.name: found
        for measure in MEASURES
        if (
            found := {
                r["seed"]: v for r in done if (v := r["measures"].get(measure.name)) is not None
            }
        )
    }
    differences = None
    if reference is not None:
        pairs = {name: paired(own, reference.values.get(name, {})) for name, own in values.items()}
        differences = {name: found for name, found in pairs.items() if found is not None}
    return Row(
        arm=choice.arm,
        point=choice.point,
        tuned=choice.tuned or (),
        values=values,
        curves={record["seed"]: [tuple(p) for p in record["curve"]] for record in done},
        differences=differences,
        failures={r["seed"]: r["reason"] for r in records if r["state"] == "failed"},
    )


def _compared(finals: Sequence[Record]) -> Measure:
    """The first figure that every run has: on common ground where an arm makes personal models."""
    done = [record for record in finals if record["state"] == "done"]
    names = ["accuracy", "rmse", "client_accuracy", "client_rmse", "loss"]
    if any(record["evaluated"] == "personal" for record in done):
        names = ["client_accuracy", "client_rmse", *names]
    for name in names:
        if done and all(name in record["measures"] for record in done):
            return BY_NAME[name]
    return BY_NAME["accuracy"]


def _notes(
    sweep: Sweep, choices: Sequence[Choice], rows: Sequence[Row], records: Sequence[Record]
) -> Iterator[str]:
    if len(sweep.seeds) == 1:
        yield "One seed: a single run says nothing about chance, so there are no intervals."
    elif len(sweep.seeds) < 3:
        yield "Two seeds: the intervals are very wide; ten or more tell differences of a point."
    trials = {arm.name: arm.trials for arm in sweep.arms}
    if len(set(trials.values())) > 1:
        counts = ", ".join(f"{name} {count}" for name, count in trials.items())
        yield f"Unequal searches, which favour the larger: configurations tried per arm: {counts}."
    for choice in choices:
        yield from _search_notes(choice)
    for row in rows:
        where = " · ".join(filter(None, (row.arm, words(row.point))))
        for seed, reason in row.failures.items():
            yield f"{where} · seed {seed} failed and is left out: {reason}"
    for record in records:
        for text in record.get("warnings", ()):
            yield f"{record['arm']}: {text}"
    if len({str(record["environment"]) for record in records}) > 1:
        yield "The cells ran on different numerics platforms: last digits may differ for that."


def _search_notes(choice: Choice) -> Iterator[str]:
    where = " · ".join(filter(None, (choice.arm, words(choice.point))))
    for trial in choice.trials:
        if trial.failures:
            yield f"{where}: {words(trial.tuned)} is out of the choice: {trial.failures[0]}"
    if choice.best is None:
        yield f"{where}: no configuration is left to choose, so it was not run."
        return
    for key, best in choice.best.tuned:
        tried = [dict(trial.tuned)[key] for trial in choice.trials]
        if _is_edge(best, tried):
            yield f"{where}: {key} = {best} was chosen at the edge of what was tried; try beyond."


def _is_edge(best: Any, tried: Sequence[Any]) -> bool:
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in tried):
        return False
    return len(set(tried)) > 1 and best in (min(tried), max(tried))


def _unequal_draws(finals: Sequence[Record]) -> Iterator[str]:
    """Says where arms of the same point and seed did not share what the seed decides."""
    first: dict[tuple[str, int], Record] = {}
    for record in finals:
        reference = first.setdefault((str(record["point"]), record["seed"]), record)
        for draw, name in DRAWS.items():
            if record["draws"][draw] != reference["draws"][draw]:
                both = f"{reference['arm']} and {record['arm']}"
                yield f"{both} have different {name}: more than the algorithm differs."
