"""The scenarios that come with fedplat run, and show what their first lines promise."""

from pathlib import Path

import pytest
from small import Told

from fedplat.config import scenario as scenarios
from fedplat_sim.run import Options, run

FOLDER = Path(__file__).parents[2] / "simulations" / "scenarios"
FILES = sorted(one for one in FOLDER.glob("*.toml") if one.stem != "robustness")  # a matrix
PLAIN = Options(executor="sequential")


def rounds_of(name, **changes):
    told = Told()
    run(scenarios.load(FOLDER / name, changes), PLAIN, [told])
    return [one for one in told.records if one["event"] == "round"]


@pytest.mark.parametrize("file", FILES, ids=lambda one: one.stem)
def test_an_example_runs_as_it_is(file):
    short = {"rounds": 2, "training.epochs": 1, "training.steps": None, "evaluation.baselines": []}
    assert len(rounds_of(file.name, **short)) == 2
    assert file.read_text().startswith("# "), "it says what it shows"


def test_fedbuff_takes_updates_that_began_rounds_ago_and_learns():
    rounds = rounds_of("fedbuff.toml")
    assert {one["accepted"] for one in rounds} == {3}
    assert sum(one["stale"] for one in rounds) > len(rounds)
    assert rounds[-1]["accuracy"] > 0.8


def test_late_updates_count_in_later_rounds_unless_they_are_refused():
    rounds = rounds_of("late-updates.toml")
    assert sum(one["stale"] for one in rounds) > len(rounds)
    assert rounds[-1]["accuracy"] > 0.8
    changes = {"clients.late": "refuse", "clients.max_staleness": None}
    refused = rounds_of("late-updates.toml", **changes)
    assert sum(one["stale"] for one in refused) == 0
    assert sum(one["late"] for one in refused) > len(rounds)
