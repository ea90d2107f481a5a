"""The operator's words to the coordinator's machine: pause, resume, abort.  They are in its log."""

import pytest
from machines import FIRST, A, B, C, finish_round, opened, plan, update, verdicts

from fedplat.engine import journal
from fedplat.engine.commands import Aggregate, Commit, Evaluate, Fail, Finish, Send
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import (
    AbortRequested,
    Aggregated,
    DeadlinePassed,
    Evaluated,
    PauseRequested,
    ResumeRequested,
)
from fedplat.errors import AbortedError
from fedplat.types import Digest

PAUSE, RESUME, ABORT = PauseRequested(1.0), ResumeRequested(5.0), AbortRequested(1.0, "bad labels")


def offers(commands):
    return [c.message.round_id for c in commands if isinstance(c, Send)]


def answered(machine, round_id=1):
    for client in (A, B, C):
        commands = machine.handle(update(client, round_id))
    return commands


def test_a_paused_coordinator_finishes_the_open_round_and_opens_no_new_one():
    machine = opened()
    assert machine.handle(PAUSE) == []
    assert isinstance(answered(machine)[-1], Aggregate)
    assert offers(finish_round(machine)) == []
    assert (machine.phase, machine.round.round_id, machine.last.round_id) == ("paused", 1, 1)


def test_the_same_round_without_the_pause_opens_the_next():
    machine = opened()
    answered(machine)
    assert offers(finish_round(machine)) == [2, 2, 2]


def test_resuming_opens_the_next_round_which_begins_then():
    machine = opened(deadline_s=10.0)
    machine.handle(PAUSE)
    answered(machine)
    finish_round(machine)
    assert offers(machine.handle(RESUME)) == [2, 2, 2]
    assert (machine.phase, machine.round.opened_s) == ("collecting", RESUME.time_s)


def test_a_pause_that_is_taken_back_in_time_changes_nothing():
    machine = opened()
    assert [machine.handle(PAUSE), machine.handle(RESUME)] == [[], []]
    answered(machine)
    assert offers(finish_round(machine)) == [2, 2, 2]


def test_pausing_and_resuming_twice_is_as_once():
    machine = opened()
    machine.handle(PAUSE)
    machine.handle(PAUSE)
    answered(machine)
    finish_round(machine)
    assert machine.handle(PAUSE) == []
    assert offers(machine.handle(RESUME)) == [2, 2, 2]
    assert machine.handle(RESUME) == []


def test_a_pause_before_the_first_round_holds_it_back():
    machine = Coordinator(plan())
    machine.handle(PAUSE)
    assert machine.handle(FIRST) == [] and machine.phase == "paused"
    assert offers(machine.handle(RESUME)) == [1, 1, 1]


def test_a_pause_in_the_last_round_does_not_keep_the_federation_from_finishing():
    machine = opened(rounds=1)
    machine.handle(PAUSE)
    answered(machine)
    finish_round(machine)
    assert isinstance(machine.handle(Evaluated(3.0, 1, {}))[-1], Finish)


def test_an_update_that_comes_while_paused_is_late_and_an_accepted_one_stays_accepted():
    machine = opened(per_round=2)
    machine.handle(PAUSE)
    machine.handle(update(A))
    machine.handle(update(B))
    finish_round(machine)
    assert verdicts(machine.handle(update(C))) == ["late"]
    assert verdicts(machine.handle(update(A))) == ["accepted"]


def test_the_deadline_still_closes_the_round_of_a_paused_coordinator():
    machine = opened(deadline_s=10.0)
    machine.handle(PAUSE)
    machine.handle(update(A))
    assert isinstance(machine.handle(DeadlinePassed(10.0, 1))[-1], Aggregate)


def test_a_paused_coordinator_takes_the_evaluation_of_its_last_model():
    machine = opened(evaluate_every=1)
    machine.handle(PAUSE)
    answered(machine)
    assert any(isinstance(one, Evaluate) for one in finish_round(machine))
    assert machine.handle(Evaluated(3.0, 1, {})) == []
    assert machine.phase == "paused" and offers(machine.handle(RESUME)) == [2, 2, 2]


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_aborting_fails_the_federation_with_the_reason(steps):
    machine = opened()
    for client in (A, B, C)[:steps]:
        machine.handle(update(client))
    [command] = machine.handle(ABORT)
    assert isinstance(command, Fail) and isinstance(command.error, AbortedError)
    assert machine.phase == "failed" and "bad labels" in str(command.error)
    assert command.error.exit_code == 3


def test_nothing_happens_after_an_abort():
    machine = opened(deadline_s=10.0)
    answered(machine)
    machine.handle(ABORT)
    aggregated = Aggregated(2.0, 1, Digest("b1"), Digest("k1"), Digest("m1"))
    for event in (aggregated, DeadlinePassed(10.0, 1), PAUSE, RESUME, ABORT):
        assert machine.handle(event) == []
    assert verdicts(machine.handle(update(A))) == ["accepted"]  # it was: its client may forget it
    assert machine.phase == "failed" and machine.last.round_id == 0


def test_what_is_finished_is_not_aborted():
    machine = opened(rounds=1)
    answered(machine)
    finish_round(machine)
    assert machine.handle(ABORT) == [] and machine.failure is None


def logged(*events):
    """A machine that was killed after these events, and its log folded again."""
    machine = Coordinator(plan())
    for event in (FIRST, *events):
        machine.handle(journal.decode(journal.encode(event)))
    return machine


def test_a_pause_survives_the_process():
    events = [PAUSE, *map(update, (A, B, C))]
    events.append(Aggregated(2.0, 1, Digest("b1"), Digest("k1"), Digest("m1")))
    [*_, commit] = logged(*events).resume(3.0)
    assert isinstance(commit, Commit)
    again = logged(*events, commit.record)
    assert (again.phase, again.paused) == ("paused", True)
    resumed = again.resume(9.0)
    assert set(verdicts(resumed)) == {"accepted"} and isinstance(resumed[-1], Evaluate)
    assert offers(again.handle(RESUME)) == [2, 2, 2]


def test_an_abort_survives_the_process():
    [command] = logged(ABORT).resume(9.0)
    assert isinstance(command, Fail) and isinstance(command.error, AbortedError)


@pytest.mark.parametrize("event", [PAUSE, RESUME, ABORT], ids=lambda one: type(one).__name__)
def test_the_operators_events_are_in_the_journal_as_they_are(event):
    assert journal.decode(journal.encode(event)) == event
