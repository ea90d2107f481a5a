"""The schedule fuzzer: it repeats itself, finds nothing in the product, and finds planted bugs."""

import json

import pytest
from cli.commands import Command
from faults.planted.all_bugs import BUGS

from fedplat_sim.chaos.campaign import conduct
from fedplat_sim.chaos.disks import CrashableEvents
from fedplat_sim.chaos.faults import Crash, OnMessage, Partition, draw
from fedplat_sim.chaos.shrinking import shrink
from fedplat_sim.chaos.suspects import Suspects
from fedplat_sim.chaos.world import run

ENOUGH = 400  # schedules within which each planted bug must be found
LEAST_BUGS = 20


@pytest.fixture
def fedplat(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Command(tmp_path, capsys, monkeypatch)


@pytest.mark.slow
def test_a_few_hundred_schedules_break_no_invariant():
    outcome = conduct(200, seed=1)
    assert [one.record() for one in outcome.found] == []
    assert outcome.rounds > 350 and outcome.faults > 700  # it was no calm weather


def test_nobody_waits_for_an_update_of_a_client_given_up_before_its_round_closed():
    schedule = draw(82825).only((1, 3, 4, 7))  # the update comes just before a crash: unanswered
    ending = run(schedule)
    assert ending.violation is None and len(ending.accepted) == 3  # and then too few, as it says


def test_the_same_seed_gives_the_same_messages_and_the_same_log():
    traces = [run(draw(seed)).trace for seed in range(40)]
    assert traces == [run(draw(seed)).trace for seed in range(40)]
    assert len(set(traces)) == 40


def test_every_kind_of_fault_is_drawn():
    faults = [fault for seed in range(100) for _, fault in draw(seed).faults]
    kinds = {one.what if isinstance(one, OnMessage) else type(one).__name__ for one in faults}
    assert kinds == {
        "drop", "duplicate", "delay", "truncate", "corrupt", "Crash", "Partition", "ClockJump",
        "Pause", "Lapse", "Ghost", "Quarantine",
    }  # fmt: skip


@pytest.mark.slow
def test_where_the_same_updates_count_the_model_is_the_calm_runs():
    troubled = [(run(draw(seed)), run(draw(seed).only(()))) for seed in range(60)]
    alike = [(one, calm) for one, calm in troubled if one.accepted == calm.accepted]
    assert len(alike) > 15
    assert all(one.model == calm.model for one, calm in alike)
    others = [(one, calm) for one, calm in troubled if one.accepted != calm.accepted]
    assert any(one.model != calm.model for one, calm in others)  # the control: models do differ


def test_crashes_are_had_and_survived():
    schedule = next(
        draw(seed)
        for seed in range(100)
        if any(isinstance(one, Crash) and one.point < 5 for _, one in draw(seed).faults)
    )
    crashes = [number for number, one in schedule.faults if isinstance(one, Crash)]
    with_them, without = run(schedule.only(crashes)), run(schedule.only(()))
    assert with_them.violation is None and with_them.trace != without.trace


@pytest.mark.slow
def test_a_schedule_is_shrunk_to_faults_that_are_all_needed():
    suspects = BUGS["RemembersOneRound"]
    found = conduct(ENOUGH, 0, suspects=suspects, stop_at=1).found[0]
    least = draw(found.seed).only(found.faults)
    assert 0 < len(least.faults) < len(draw(found.seed).faults)
    assert run(least, suspects).violation.rule == found.violation.rule
    for number in found.faults:
        fewer = least.only(one for one in found.faults if one != number)
        violation = run(fewer, suspects).violation
        assert violation is None or violation.rule != found.violation.rule
    assert shrink(least, found.violation.rule, suspects) == least


def test_leaving_faults_out_changes_no_other():
    schedule = draw(7)
    assert schedule.only(range(100)) == schedule
    kept = schedule.only([2])
    assert kept.faults == (schedule.faults[2],) and kept.course is schedule.course


def test_at_least_twenty_bugs_are_planted():
    assert len(BUGS) >= LEAST_BUGS


@pytest.mark.slow
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name, record_property):
    outcome = conduct(ENOUGH, 0, suspects=BUGS[name], stop_at=1)
    print(f"{name}: found after {outcome.schedules} schedules")
    record_property("schedules", outcome.schedules)
    assert outcome.found, f"{name} was not found in {ENOUGH} schedules"


class TornEvents(CrashableEvents):
    """A crash in an append leaves the first of its events: nobody has acted on them yet."""

    def append(self, events, expected_version):
        self.point("before an append")
        self.durable.append(events[:1], expected_version)
        self.point("in an append")
        version = self.durable.append(events[1:], self.durable.version)
        self.point("after an append")
        return version


@pytest.mark.slow
def test_what_is_no_bug_is_not_reported():
    assert conduct(100, 0, suspects=Suspects(events=TornEvents)).found == ()


def test_the_command_tells_what_it_did(fedplat):
    answer = fedplat("chaos", "run", "--schedules", 20, "--seed", 5, "--json")
    [record] = answer.records
    assert (answer.code, record["event"], record["schedules"]) == (0, "finished", 20)
    assert record["violations"] == 0


def test_a_violation_is_told_with_the_command_that_repeats_it(fedplat, monkeypatch):
    monkeypatch.setattr("fedplat_sim.chaos.world.Suspects", lambda: BUGS["LosesTheLost"])
    answer = fedplat("chaos", "run", "--schedules", 15, "--json")
    told = answer.records[0]
    assert answer.code == 5 and told["rule"] == "round open for ever"
    again = fedplat(*told["repeat"].split()[1:], "--json")
    assert again.code == 5
    assert json.dumps(again.records[0]) == json.dumps(told)


def test_the_same_in_words(fedplat, monkeypatch):
    monkeypatch.setattr("fedplat_sim.chaos.world.Suspects", lambda: BUGS["ForgetsTheChain"])
    answer = fedplat("chaos", "run", "--schedules", 10)
    assert answer.code == 5 and "crash coordinator at its point" in answer.out
    assert "--only" in answer.out and "broke an invariant" in answer.err


@pytest.mark.parametrize("words", [("--only", "first"), ("--schedules", "0"), ("--seed", "-1")])
def test_a_number_that_is_none_is_refused(fedplat, words):
    answer = fedplat("chaos", "run", *words)
    assert answer.code == 2 and words[0] in answer.err


def test_a_client_that_is_cut_off_for_long_does_not_hold_the_others():
    schedules = (draw(seed) for seed in range(300))
    cut = next(
        one
        for one in schedules
        if one.course.settings.deadline_s
        and any(isinstance(f, Partition) and f.length_s > 8 for _, f in one.faults)
    )
    assert run(cut).violation is None
