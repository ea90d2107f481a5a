"""The benchmark of schedules counts what it has run, and tells what it has found."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from faults.planted.all_bugs import BUGS

from benchmarks import chaos
from benchmarks.figures import Report


@pytest.fixture
def report():
    return Report("chaos", {}, ("benchmarks/chaos.py",))


def figures(report):
    return {one.id: one for one in report.figures}


def run(report, schedules):
    with ThreadPoolExecutor(1) as pool:
        chaos.the_product(schedules, 1, pool, report)
    return figures(report)


def test_it_runs_every_schedule_once(report, monkeypatch):
    monkeypatch.setattr(chaos, "AT_ONCE", 4)
    found = run(report, 10)
    assert found["chaos.violations"].met and found["chaos.violations"].how.startswith("10 schedul")
    assert report.rows == []


def test_a_violation_misses_the_target_and_is_a_row(report, monkeypatch):
    monkeypatch.setattr("fedplat_sim.chaos.world.Suspects", lambda: BUGS["LosesTheLost"])
    found = run(report, 10)
    assert found["chaos.violations"].met is False
    assert report.rows[0]["rule"] == "round open for ever" and "--seed" in report.rows[0]["repeat"]


def test_a_planted_bug_that_is_not_found_counts_against_it(report, monkeypatch):
    monkeypatch.setattr(chaos, "planted_names", lambda: ["CommitsTwice", "DropsAnyState"])
    monkeypatch.setattr(chaos, "ENOUGH", 3)
    with ThreadPoolExecutor(1) as pool:
        chaos.planted(pool, report)
    assert figures(report)["chaos.planted_bugs_found"].value == 0.5


def test_the_names_are_those_of_the_tests():
    assert chaos.planted_names() == list(BUGS)
