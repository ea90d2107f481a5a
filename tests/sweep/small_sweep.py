"""A sweep that runs in a moment: nearest-mean digits over the training code beside this file."""

import json
from pathlib import Path
from typing import Any

import tomli_w

from fedplat_sim.sweep.conduct import Outcome, conduct
from fedplat_sim.sweep.definition import Sweep, load

APP = Path(__file__).parent / "counting_app" / "app.py"
SCENARIO = {
    "name": "counted",
    "seed": 0,
    "rounds": 2,
    "app": str(APP),
    "data": {"name": "digits"},
    "clients": {"count": 4, "per_round": 2},
    "training": {"lr": 0.5, "epochs": 1},
}
SWEEP = {
    "name": "small",
    "scenario": "scenario.toml",
    "seeds": [1, 2],
    "arms": {"fast": {"training": {"lr": 0.9}}, "slow": {"training": {"lr": 0.1}}},
}


def written(folder: Path, sweep: dict[str, Any], scenario: dict[str, Any] = SCENARIO) -> Path:
    """Writes a sweep's file and its scenario."""
    (folder / "scenario.toml").write_text(tomli_w.dumps(scenario))
    path = folder / "sweep.toml"
    path.write_text(tomli_w.dumps(sweep))
    return path


def loaded(folder: Path, **keys: Any) -> Sweep:
    return load(written(folder, {**SWEEP, **keys}))


def conducted(sweep: Sweep, folder: Path, processes: int = 1) -> tuple[Outcome, list[Any]]:
    """Runs a sweep; gives its outcome and what was told on the way."""
    told: list[Any] = []
    return conduct(sweep, folder, processes, told.append), told


def evaluations(log: Path) -> list[dict[str, Any]]:
    """What the training code wrote down of every evaluation that it was asked for."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
