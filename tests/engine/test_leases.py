"""Assignments: leases that expire, attempts, epochs, spares, deadlines of evaluations."""

import pytest
from machines import FIRST, A, B, C, D, finish_round, opened, plan, update, verdicts

from fedplat.engine.client import Client
from fedplat.engine.commands import FoldAhead, Send, SetDeadline, SetLease, Work
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import (
    Acknowledged,
    DeadlinePassed,
    EvaluationReceived,
    LeaseExpired,
    Offered,
    Started,
    WorkFinished,
)
from fedplat.engine.messages import Offer
from fedplat.engine.plan import Selected
from fedplat.engine.references import is_held
from fedplat.errors import StorageError
from fedplat.runtime.driver import Driver
from fedplat.storage.memory import MemoryEvents
from fedplat.types import Digest


def expired(client, attempt=1, round_id=1, task="fit"):
    return LeaseExpired(9.0, round_id, client, task, attempt)


def offers(commands):
    return [c.message for c in commands if isinstance(c, Send) and isinstance(c.message, Offer)]


def leases(commands):
    return [command for command in commands if isinstance(command, SetLease)]


def begun(**changes):
    """A coordinator's first commands, and it."""
    machine = Coordinator(plan(**changes))
    machine.handle(Started(0.0, 3))
    return machine.handle(FIRST), machine


# ── leases and attempts ──────────────────────────────────────────────────────────────────────────


def test_every_offer_says_attempt_epoch_and_lease_and_the_lease_is_set():
    commands, _ = begun(lease_s=5.0)
    assert {(one.attempt, one.epoch, one.lease_s) for one in offers(commands)} == {(1, 3, 5.0)}
    assert [(one.client, one.attempt, one.lease_s) for one in leases(commands)] == [
        (A, 1, 5.0), (B, 1, 5.0), (C, 1, 5.0),
    ]  # fmt: skip


def test_without_a_lease_none_is_set():
    commands, _ = begun()
    assert not leases(commands) and all(one.lease_s == 0 for one in offers(commands))


def test_an_expired_lease_is_offered_again_as_the_next_attempt():
    _, machine = begun(lease_s=5.0)
    commands = machine.handle(expired(B))
    assert [(one.client, one.attempt) for one in offers(commands)] == [(B, 2)]
    assert [(one.client, one.attempt) for one in leases(commands)] == [(B, 2)]
    assert machine.handle(expired(B)) == []  # that lease is over
    assert offers(machine.handle(expired(B, attempt=2)))[0].attempt == 3


def test_the_lease_of_an_answered_assignment_means_nothing():
    _, machine = begun(lease_s=5.0)
    [lease] = [one for one in leases(machine.resume(1.0)) if one.client == A]
    assert is_held(machine, lease)
    machine.handle(update(A))
    assert not is_held(machine, lease)
    assert machine.handle(expired(A)) == []


def test_an_answer_to_an_earlier_attempt_counts_once():
    _, machine = begun(lease_s=5.0)
    machine.handle(expired(A))
    assert verdicts(machine.handle(update(A))) == ["accepted"]
    assert verdicts(machine.handle(update(A))) == ["accepted"]
    assert list(machine.round.accepted) == [A]


def test_after_the_last_attempt_a_client_is_given_up_and_the_round_goes_on():
    _, machine = begun(lease_s=5.0, max_attempts=2, per_round=3)
    machine.handle(update(A))
    machine.handle(update(B))
    machine.handle(expired(C))
    assert machine.phase == "collecting"
    machine.handle(expired(C, attempt=2))
    assert machine.phase == "aggregating" and machine.round.lost == {C: "no sign of life"}


def test_without_a_last_attempt_a_client_is_waited_for():
    _, machine = begun(lease_s=5.0)
    machine.handle(update(A))
    machine.handle(update(B))
    for attempt in range(1, 9):
        machine.handle(expired(C, attempt))
    assert machine.phase == "collecting"


def test_who_was_given_up_and_comes_back_in_time_counts():
    _, machine = begun(lease_s=5.0, max_attempts=1)
    machine.handle(expired(C))
    assert verdicts(machine.handle(update(C))) == ["accepted"]


def test_a_spare_is_asked_in_the_place_of_a_silent_client():
    reserve = tuple(map(Selected, (B, D, A)))
    _, machine = begun(lease_s=5.0, spares=1, reserve=lambda round_id, time_s: reserve)
    asked = [one.client for one in offers(machine.handle(expired(C)))]
    assert asked == [C, D]  # B is asked already
    assert [one.client for one in offers(machine.handle(expired(A)))] == [A]  # no more spares
    for client in (A, B, D):
        machine.handle(update(client))
    assert [client for client, _, _ in machine._ordered()] == [A, B, D]


def test_the_log_gives_the_same_attempts_again():
    _, machine = begun(lease_s=5.0)
    machine.handle(expired(B))
    again = Coordinator(plan(lease_s=5.0))
    for event in (Started(0.0, 3), FIRST, expired(B), Started(9.5, 4)):
        again.handle(event)
    assert {(one.client, one.attempt, one.epoch) for one in offers(again.resume(10.0))} == {
        (A, 1, 4), (B, 2, 4), (C, 1, 4),
    }  # fmt: skip


# ── evaluations ──────────────────────────────────────────────────────────────────────────────────


def surveying(**changes):
    machine = opened(rounds=1, evaluators=(A, B), federated_every=0, evaluate_every=9, **changes)
    machine.evaluating = None
    for client in (A, B, C):
        machine.handle(update(client))
    commands = finish_round(machine)
    machine.evaluating = None
    return commands, machine


def test_an_evaluation_ends_at_its_deadline_with_what_has_come():
    commands, machine = surveying(deadline_s=7.0)
    assert SetDeadline(1, 2.0 + 7.0, "evaluate") in commands
    machine.handle(EvaluationReceived(3.0, 1, A, {}))
    machine.handle(DeadlinePassed(9.0, 1, "evaluate"))
    assert machine.phase == "finished"


def test_the_deadline_of_the_updates_does_not_end_the_evaluation():
    _, machine = surveying(deadline_s=7.0)
    machine.handle(DeadlinePassed(9.0, 1))
    assert machine.phase == "surveying"


def test_a_silent_evaluator_is_asked_again_and_given_up_in_the_end():
    _, machine = surveying(lease_s=5.0, max_attempts=2)
    machine.handle(EvaluationReceived(3.0, 1, A, {}))
    [offer] = offers(machine.handle(expired(B, task="evaluate")))
    assert (offer.client, offer.task, offer.attempt) == (B, "evaluate", 2)
    machine.handle(expired(B, attempt=2, task="evaluate"))
    assert machine.phase == "finished"


# ── epochs ───────────────────────────────────────────────────────────────────────────────────────


def test_a_process_that_was_replaced_can_append_nothing_any_more():
    log, perform = MemoryEvents(), dict.fromkeys((Send, FoldAhead), lambda command: None)
    older = Driver(Coordinator(plan()), log, perform)
    older.post(Started(0.0, 1))
    older.post(FIRST)
    older.flush()
    newer = Driver(Coordinator(plan()), log, perform)
    newer.replay()
    newer.post(Started(1.0, 2))
    newer.flush()
    older.post(update(A))
    with pytest.raises(StorageError):
        older.flush()
    newer.post(update(A))
    newer.flush()  # the control: the newer one goes on
    assert list(newer.machine.round.accepted) == [A]


def offer(epoch=0, attempt=0, round_id=1):
    return Offer(A, round_id, "fit", Digest("b0"), attempt=attempt, epoch=epoch)


def test_a_client_does_not_listen_to_a_coordinator_that_was_replaced():
    client = Client(A)
    assert client.handle(Offered(0.0, offer(epoch=2))) == [Work(offer(epoch=2))]
    assert client.handle(Offered(1.0, offer(epoch=1, round_id=2))) == []
    assert client.handle(Acknowledged(1.0, 1, "accepted", epoch=1)) == []
    assert client.handle(Offered(2.0, offer(epoch=2, round_id=2))) != []  # the control


def test_a_coordinator_of_the_previous_version_says_no_epoch_and_is_listened_to():
    client = Client(A)
    client.handle(Offered(0.0, offer(epoch=2)))
    assert client.handle(Offered(1.0, offer(round_id=2))) == [Work(offer(round_id=2))]


def test_an_answer_names_the_attempt_and_the_epoch_that_were_offered_last():
    client = Client(A)
    client.handle(Offered(0.0, offer(epoch=1, attempt=1)))
    again = client.handle(Offered(1.0, offer(epoch=2, attempt=2)))
    assert again == [Work(offer(epoch=2, attempt=2))]  # who is at it already, goes on
    [sent] = client.handle(WorkFinished(2.0, 1, "fit", Digest("u"), 1.0))
    assert (sent.message.attempt, sent.message.epoch) == (2, 2)


def test_an_offer_that_is_only_repeated_is_not_worked_on_again():
    client = Client(A)
    client.handle(Offered(0.0, offer(epoch=1, attempt=1)))
    assert client.handle(Offered(1.0, offer(epoch=2, attempt=1))) == []
