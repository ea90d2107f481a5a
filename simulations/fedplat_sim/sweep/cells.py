"""A sweep's cells: every run that it makes, with its scenario."""

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fedplat.config import scenario as scenarios
from fedplat.config.build import Parts, build
from fedplat.config.scenario import Scenario
from fedplat.errors import ConfigError
from fedplat_sim.sweep.criterion import MEASURE
from fedplat_sim.sweep.definition import Arm, Choices, Sweep

Point = tuple[tuple[str, Any], ...]  # dotted keys with one value each
CLOSED: Mapping[str, Any] = {"evaluation.test": False, "evaluation.every": 0}
OPEN: Mapping[str, Any] = {"evaluation.test": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run.  A trial is seen on validation only, with the test set closed."""

    arm: str
    point: Point
    tuned: Point
    seed: int
    is_trial: bool
    scenario: Scenario

    @property
    def label(self) -> str:
        """The cell in words: `fedprox · alpha 0.1 · lr 0.05 · seed 3`."""
        parts = [self.arm, words(self.point), words(self.tuned), f"seed {self.seed}"]
        return " · ".join(part for part in parts if part)

    @property
    def key(self) -> str:
        """The name of the cell's file: readable, and different for every cell of a sweep."""
        plain = json.dumps([self.arm, self.point, self.tuned, self.seed, self.is_trial])
        kind = "trial" if self.is_trial else "run"
        safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in self.arm)[:40]
        digest = hashlib.sha256(plain.encode()).hexdigest()[:12]
        return f"{kind}-{safe}-seed{self.seed}-{digest}"


def points(choices: Choices) -> list[Point]:
    """Every combination of the values, the last key running fastest; one empty one of no keys.

    >>> points({"a": (1, 2), "b": (3,)})
    [(('a', 1), ('b', 3)), (('a', 2), ('b', 3))]
    """
    rows = itertools.product(*choices.values())
    return [tuple(zip(choices, row, strict=True)) for row in rows]


def trials(sweep: Sweep) -> list[Cell]:
    """The runs that the choice is made on; none for an arm without anything to choose."""
    return [
        cell(sweep, arm, point, tuned, seed, is_trial=True)
        for arm in sweep.arms
        if arm.trials > 1
        for point in points(sweep.grid)
        for tuned in points(arm.tune)
        for seed in sweep.tuning_seeds
    ]


def finals(sweep: Sweep, chosen: Mapping[tuple[str, Point], Point | None]) -> list[Cell]:
    """The runs that are compared: those of the chosen configurations."""
    return [
        cell(sweep, arm, point, tuned, seed, is_trial=False)
        for arm in sweep.arms
        for point in points(sweep.grid)
        if (tuned := chosen[arm.name, point]) is not None
        for seed in sweep.seeds
    ]


def cell(sweep: Sweep, arm: Arm, point: Point, tuned: Point, seed: int, *, is_trial: bool) -> Cell:
    """Makes one cell.  Raises: ConfigError, if its scenario is none."""
    overrides = {**sweep.shared, **arm.overrides, **dict(point), **dict(tuned)}
    overrides |= {"seed": seed, "evaluation.baselines": [], **(CLOSED if is_trial else OPEN)}
    scenario = scenarios.load(sweep.scenario, overrides)
    if is_trial and scenario.evaluation.federated == "never":
        scenario = scenarios.load(sweep.scenario, {**overrides, "evaluation.federated": "final"})
    return Cell(
        arm=arm.name, point=point, tuned=tuned, seed=seed, is_trial=is_trial, scenario=scenario
    )


def refuse_what_can_not_run(sweep: Sweep) -> None:
    """Builds every configuration once, for the first seed, before anything runs.

    Raises: ConfigError that names, for each configuration that is refused, its arm, what it sets,
    and the reason.
    """
    reasons = list(dict.fromkeys(_refusals(sweep)))
    if reasons:
        lines = reasons if len(reasons) == 1 else ["", *reasons]
        raise ConfigError(where=str(sweep.source), reason="\n  ".join(lines))


def _refusals(sweep: Sweep) -> Iterator[str]:
    for arm in sweep.arms:
        for point, tuned in itertools.product(points(sweep.grid), points(arm.tune)):
            reason = _refusal(sweep, arm, point, tuned)
            if reason:
                yield f"arm {arm.name}{_said(arm, point, tuned)}: {reason}"


def _refusal(sweep: Sweep, arm: Arm, point: Point, tuned: Point) -> str:
    try:
        one = cell(sweep, arm, point, tuned, sweep.seeds[0], is_trial=False)
        parts = build(one.scenario)
        if arm.trials > 1:
            _refuse_blind_choice(sweep, parts)
    except ConfigError as error:
        return str(error)
    return ""


def _refuse_blind_choice(sweep: Sweep, parts: Parts) -> None:
    if not parts.scenario.data.client_validation:
        reason = "is 0, so there is no validation split to choose a configuration on"
        raise ConfigError(where="data.client_validation", reason=reason)
    task, measure = parts.loaded.train.task, MEASURE[sweep.by][0]
    if measure == ("validation_rmse" if task == "classification" else "validation_accuracy"):
        reason = f"{sweep.by!r} does not exist for a {task}; choose by 'validation loss'"
        raise ConfigError(where="select.by", reason=reason)


def _said(arm: Arm, point: Point, tuned: Point) -> str:
    said = {**arm.overrides, **dict(point), **dict(tuned)}
    return f" ({', '.join(f'{key} = {plain(value)}' for key, value in said.items())})" * bool(said)


def words(point: Point) -> str:
    """A point for a table's reader: the last part of each key, and its value."""
    return ", ".join(f"{key.rpartition('.')[2]} {plain(value)}" for key, value in point)


def plain(value: Any) -> str:
    """A scenario's value as a word; a part is its name with its options.

    >>> plain({"name": "fedprox", "mu": 0.1}), plain(0.5), plain(True)
    ('fedprox(mu=0.1)', '0.5', 'true')
    """
    if isinstance(value, dict):
        rest = ", ".join(f"{key}={plain(one)}" for key, one in value.items() if key != "name")
        return f"{value.get('name', '')}({rest})" if rest else str(value.get("name", "{}"))
    if isinstance(value, list):
        return f"[{', '.join(plain(one) for one in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
