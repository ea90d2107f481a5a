"""A lap's phases add up to its total, and nothing is counted twice or carried over."""

import time

import pytest

from fedplat.telemetry.stopwatch import Stopwatch


def spend(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def test_phases_and_the_rest_add_up_to_the_total():
    watch = Stopwatch()
    with watch.phase("aggregate"):
        spend(0.01)
    with watch.phase("evaluate"):
        spend(0.005)
    spend(0.02)
    lap = watch.lap("train")
    assert lap.keys() == {"train", "aggregate", "evaluate", "total"}
    assert sum(lap.values()) - lap["total"] == pytest.approx(lap["total"])
    assert lap["aggregate"] >= 0.01 and lap["evaluate"] >= 0.005 and lap["train"] >= 0.02


def test_a_phase_that_comes_twice_counts_twice_and_a_lap_begins_anew():
    watch = Stopwatch()
    for _ in range(2):
        with watch.phase("commit"):
            spend(0.005)
    assert watch.lap("train")["commit"] >= 0.01
    assert "commit" not in watch.lap("train")


def test_a_phase_that_fails_is_counted():
    watch = Stopwatch()

    def fail() -> None:
        with watch.phase("commit"):
            spend(0.005)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert watch.lap("train")["commit"] >= 0.005


def test_what_came_before_a_restart_belongs_to_no_round():
    watch = Stopwatch()
    with watch.phase("load"):
        spend(0.05)
    watch.restart()
    lap = watch.lap("train")
    assert "load" not in lap and lap["total"] < 0.05
