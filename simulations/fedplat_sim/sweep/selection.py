"""The choice: which of an arm's configurations is best on the clients' validation splits."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fedplat_sim.sweep.cells import Point, points
from fedplat_sim.sweep.criterion import MEASURE
from fedplat_sim.sweep.definition import Arm, Sweep
from fedplat_sim.sweep.intervals import Estimate, estimate

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trial:
    """A configuration and what validation says of it; `failures` are reasons why it is out."""

    tuned: Point
    score: Estimate | None
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """An arm's search at one point of the grid; `best` is None if no configuration is left."""

    arm: str
    point: Point
    trials: tuple[Trial, ...]
    best: Trial | None

    @property
    def tuned(self) -> Point | None:
        return None if self.best is None else self.best.tuned


def choose(sweep: Sweep, records: Iterable[Record]) -> list[Choice]:
    """Chooses for every arm and point the configuration of the best mean over the tuning seeds.

    Guarantees: reads validation figures only; a configuration that failed for one seed is out; of
    equals the first in the file's order wins; an arm with one configuration has it.
    """
    found = [record for record in records if record["trial"]]
    return [
        _choose(sweep, arm, point, [r for r in found if _is_of(r, arm, point)])
        for arm in sweep.arms
        for point in points(sweep.grid)
    ]


def _choose(sweep: Sweep, arm: Arm, point: Point, records: list[Record]) -> Choice:
    if arm.trials == 1:
        only = Trial(points(arm.tune)[0], None)
        return Choice(arm.name, point, (only,), only)
    measure, more_is_better = MEASURE[sweep.by]
    trials = tuple(_trial(tuned, measure, records) for tuned in points(arm.tune))
    eligible = [trial for trial in trials if trial.score is not None and not trial.failures]
    sign = 1 if more_is_better else -1
    best = max(eligible, key=lambda t: sign * t.score.mean if t.score else 0.0, default=None)
    return Choice(arm.name, point, trials, best)


def _trial(tuned: Point, measure: str, records: list[Record]) -> Trial:
    own = [record for record in records if record["tuned"] == dict(tuned)]
    failures = [record["reason"] for record in own if record["state"] == "failed"]
    values = [record["measures"].get(measure) for record in own if record["state"] == "done"]
    if None in values:
        failures.append(f"no client has a sample to measure {measure.replace('_', ' ')} on")
    known = [value for value in values if value is not None]
    return Trial(tuned, estimate(known), tuple(failures))


def _is_of(record: Record, arm: Arm, point: Point) -> bool:
    return bool(record["arm"] == arm.name and record["point"] == dict(point))
