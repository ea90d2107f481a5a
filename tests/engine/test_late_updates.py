"""Late updates that are carried over, and rounds that are buffers (FedBuff)."""

import dataclasses

import pytest
from machines import FIRST, A, B, C, opened, plan, update, verdicts

from fedplat.engine.commands import Aggregate, Commit, Send
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import Aggregated, ClientDeclined, LeaseExpired
from fedplat.engine.messages import Offer
from fedplat.engine.plan import Selected
from fedplat.engine.references import broadcasts, live
from fedplat.engine.staleness import BY_NAME, Constant, Hinge, Polynomial
from fedplat.types import Digest, client_id

ALL = tuple(client_id(index) for index in range(8))


def offered(commands):
    messages = [c.message for c in commands if isinstance(c, Send)]
    return [(one.client, one.round_id) for one in messages if isinstance(one, Offer)]


def aggregates(commands):
    return [command for command in commands if isinstance(command, Aggregate)]


def commit(machine, round_id):
    """Has the fold of a round done and committed; returns what the machine asks for then."""
    b, k, m = (Digest(f"{letter}{round_id}") for letter in "bkm")
    [command] = [
        one for one in machine.handle(Aggregated(2.0, round_id, b, k, m)) if isinstance(one, Commit)
    ]
    return machine.handle(command.record)


def carrying(**changes):
    settings = {"rounds": 4, "per_round": 2, "carry_over": True, "evaluate_every": 9}
    return opened(**{**settings, "staleness": Polynomial(), **changes})


# ── synchronous rounds ───────────────────────────────────────────────────────────────────────────


def test_a_late_update_counts_in_the_next_round_times_its_staleness():
    machine = carrying()
    machine.handle(update(A))
    machine.handle(update(B))
    commands = commit(machine, 1)
    assert offered(commands) == [(A, 2), (B, 2)]  # C still works on the first
    assert verdicts(machine.handle(update(C, 1, weight=4.0))) == ["accepted"]
    [command] = aggregates(machine.handle(update(A, 2, weight=2.0)))
    assert [(c, w) for c, _, w in command.updates] == [(A, 2.0), (C, 4.0 * 2**-0.5)]
    assert command.scale == (2.0 + 4.0 * 2**-0.5) / 6.0


def test_the_control_where_late_updates_are_refused_it_changes_nothing():
    machine = carrying(carry_over=False)
    machine.handle(update(A))
    machine.handle(update(B))
    assert offered(commit(machine, 1)) == [(A, 2), (B, 2), (C, 2)]
    assert verdicts(machine.handle(update(C, 1))) == ["late"]


def test_without_stale_updates_nothing_is_scaled():
    machine = carrying()
    machine.handle(update(A, weight=3.0))
    [command] = aggregates(machine.handle(update(B, weight=5.0)))
    assert command.scale == 1.0 and [w for _, _, w in command.updates] == [3.0, 5.0]


def test_what_comes_between_two_rounds_waits_and_is_answered_when_the_next_opens():
    machine = carrying()
    machine.handle(update(A))
    machine.handle(update(B))
    assert machine.handle(update(C)) == []
    assert machine.handle(update(C)) == []  # once is enough
    assert Digest(f"u-{C}-1") in live(machine)
    commands = commit(machine, 1)
    assert verdicts(commands) == ["accepted"] and offered(commands) == [(A, 2), (B, 2)]
    assert list(machine.round.accepted) == [C]
    assert verdicts(machine.handle(update(C))) == ["accepted"]  # a duplicate, still


def test_an_update_that_waits_after_the_last_round_is_answered_late():
    machine = carrying(rounds=1)
    machine.handle(update(A))
    machine.handle(update(B))
    assert machine.handle(update(C)) == []
    assert verdicts(commit(machine, 1)) == ["late"]


def test_what_is_older_than_max_staleness_is_late_and_its_client_is_asked_again():
    machine = carrying(max_staleness=1)
    for round_id in (1, 2):
        machine.handle(update(A, round_id))
        machine.handle(update(B, round_id))
        commands = commit(machine, round_id)
    assert (C, 3) in offered(commands)
    assert verdicts(machine.handle(update(C, 1))) == ["late"]
    assert verdicts(machine.handle(update(C, 3))) == ["accepted"]


def test_the_broadcast_of_a_late_client_can_still_be_downloaded():
    machine = carrying()
    machine.handle(update(A))
    machine.handle(update(B))
    commit(machine, 1)
    assert broadcasts(machine) == {Digest("b0"), Digest("b1")}
    machine.handle(update(C, 1))
    assert broadcasts(machine) == {Digest("b1")}


def test_a_late_client_that_declines_is_free_again():
    machine = carrying()
    machine.handle(update(A))
    machine.handle(update(B))
    commit(machine, 1)
    machine.handle(ClientDeclined(3.0, 1, C, "fit", "dropout"))
    assert machine.backlog.assignments == {} and machine.round.lost == {}


def test_a_late_client_is_offered_its_own_round_again_after_a_restart():
    machine = carrying()
    machine.handle(update(A))
    machine.handle(update(B))
    commit(machine, 1)
    assert (C, 1) in offered(machine.resume(5.0))
    assert offered(machine.outstanding(C)) == [(C, 1)]


# ── asynchronous rounds ──────────────────────────────────────────────────────────────────────────


def buffered(clients=ALL, **changes):
    settings = {
        "rounds": 3,
        "per_round": 2,
        "concurrency": 4,
        "carry_over": True,
        "evaluate_every": 9,
        "reserve": lambda round_id, time_s: tuple(map(Selected, clients)),
        "staleness": Polynomial(),
    }
    machine = Coordinator(plan(**{**settings, **changes}))
    return machine, machine.handle(FIRST)


def test_so_many_clients_are_at_work_and_each_answer_brings_one_more():
    machine, commands = buffered()
    assert [client for client, _ in offered(commands)] == list(ALL[:4])
    assert offered(machine.handle(update(ALL[0]))) == [(ALL[4], 1)]
    assert offered(machine.handle(ClientDeclined(1.0, 1, ALL[1], "fit", "dropout"))) == [
        (ALL[5], 1)
    ]


def test_a_buffer_that_is_full_is_a_round_whatever_else_is_under_way():
    machine, _ = buffered()
    machine.handle(update(ALL[0]))
    [command] = aggregates(machine.handle(update(ALL[2])))
    assert [client for client, _, _ in command.updates] == [ALL[0], ALL[2]]
    commands = commit(machine, 1)
    assert len(offered(commands)) == 1  # three are still at work on the first model
    assert set(machine.backlog.assignments) == {ALL[1], ALL[3], ALL[4]}


def test_a_stale_update_is_scaled_and_the_whole_mean_with_it():
    machine, _ = buffered()
    machine.handle(update(ALL[0]))
    machine.handle(update(ALL[2]))
    commit(machine, 1)
    machine.handle(update(ALL[1], 1))
    [command] = aggregates(machine.handle(update(ALL[3], 1)))
    assert [weight for _, _, weight in command.updates] == [2**-0.5, 2**-0.5]
    assert command.scale == pytest.approx(2**-0.5)


def test_a_client_is_asked_once_a_version():
    machine, _ = buffered(clients=ALL[:4], per_round=4)
    assert offered(machine.handle(update(ALL[0]))) == []
    for client in ALL[1:4]:
        machine.handle(update(client))
    assert [client for client, _ in offered(commit(machine, 1))] == list(ALL[:4])


def test_a_buffer_that_can_not_fill_any_more_closes_with_what_it_has():
    machine, _ = buffered(clients=ALL[:4], per_round=3)
    machine.handle(update(ALL[0]))
    for client in ALL[1:4]:
        machine.handle(ClientDeclined(1.0, 1, client, "fit", "dropout"))
    assert machine.phase == "aggregating"


def test_a_silent_client_gives_its_place_to_another_and_may_still_answer():
    machine, _ = buffered(lease_s=5.0)
    commands = machine.handle(LeaseExpired(9.0, 1, ALL[0], "fit", 1))
    assert offered(commands) == [(ALL[0], 1), (ALL[4], 1)]
    assert verdicts(machine.handle(update(ALL[0]))) == ["accepted"]


def test_more_that_waits_than_a_buffer_holds_makes_the_rounds_after():
    machine, _ = buffered(rounds=3)
    for client in ALL[:4]:
        machine.handle(update(client))
    assert len(machine.backlog.waiting) == 2
    commands = commit(machine, 1)
    assert verdicts(commands) == ["accepted", "accepted"] and len(aggregates(commands)) == 1


def test_a_buffer_larger_than_the_concurrency_is_refused():
    with pytest.raises(ValueError, match="never fill"):
        plan(per_round=5, concurrency=4, carry_over=True)


# ── staleness ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", BY_NAME)
def test_what_is_fresh_counts_whole_and_nothing_counts_more(name):
    factor = BY_NAME[name]()
    values = [factor(age) for age in range(50)]
    assert values[0] == 1.0 and values == sorted(values, reverse=True) and values[-1] > 0


def test_the_published_values():
    assert Polynomial()(3) == 0.5 and Polynomial(exponent=1.0)(3) == 0.25
    assert Constant()(1000) == 1.0
    assert Hinge(grace=4, slope=10.0)(4) == 1.0 and Hinge(grace=4, slope=10.0)(5) == 1 / 11


def test_a_machine_that_folds_its_log_again_is_where_it_was():
    machine, _ = buffered()
    events = [FIRST, update(ALL[0]), update(ALL[2])]
    again, _ = buffered()
    for event in events[1:]:
        machine.handle(event)
        again.handle(event)
    assert dataclasses.asdict(again.round) == dataclasses.asdict(machine.round)
