"""The coordinator's machine, spoken to directly: no server, no clock, no mock."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import FIRST, A, B, C, D, finish_round, opened, plan, update, verdicts

from fedplat.engine import journal
from fedplat.engine.commands import (
    Aggregate,
    Commit,
    Evaluate,
    Fail,
    Finish,
    FoldAhead,
    Send,
    SetDeadline,
)
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import (
    Aggregated,
    ClientDeclined,
    DeadlinePassed,
    Evaluated,
    EvaluationReceived,
    RoundCommitted,
)
from fedplat.engine.messages import Offer
from fedplat.engine.plan import Selected
from fedplat.errors import DivergenceError, QuorumError, RoundError, TrainingError
from fedplat.types import Digest, Mean


def test_a_round_offers_the_model_to_every_selected_client():
    commands = Coordinator(plan()).handle(FIRST)
    assert [c.message for c in commands] == [
        Offer(client, 1, "fit", Digest("b0"), attempt=1) for client in (A, B, C)
    ]


@pytest.mark.parametrize("order", list(itertools.permutations((A, B, C))))
def test_updates_are_aggregated_in_client_order_whatever_the_order_of_arrival(order):
    machine = opened()
    for client in order:
        commands = machine.handle(update(client))
    [aggregate] = [c for c in commands if isinstance(c, Aggregate)]
    assert [client for client, _, _ in aggregate.updates] == [A, B, C]


def test_an_update_that_comes_twice_counts_once_and_is_acknowledged_twice():
    machine = opened()
    assert verdicts(machine.handle(update(A))) == ["accepted"]
    assert verdicts(machine.handle(update(A))) == ["accepted"]
    assert len(machine.round.accepted) == 1


def test_a_duplicate_after_the_round_closed_is_still_acknowledged_as_accepted():
    machine = opened()
    for client in (A, B, C):
        machine.handle(update(client))
    assert verdicts(machine.handle(update(A))) == ["accepted"]
    finish_round(machine)
    machine.handle(Evaluated(3.0, 1, {}))
    assert machine.round.round_id == 2
    assert verdicts(machine.handle(update(A))) == ["accepted"]


def test_what_arrives_after_its_round_has_closed_is_late_and_changes_nothing():
    four = tuple(Selected(c) for c in (A, B, C, D))
    machine = opened(select=lambda round_id, time_s: four)
    for client in (D, B, A):
        machine.handle(update(client))
    before = machine._ordered()
    assert verdicts(machine.handle(update(C))) == ["late"]
    assert machine._ordered() == before


def test_a_client_that_was_not_asked_is_refused():
    assert verdicts(opened().handle(update(D))) == ["refused"]


def test_an_update_for_a_round_that_has_not_begun_is_refused():
    assert verdicts(opened().handle(update(A, round_id=7))) == ["refused"]


def test_the_deadline_closes_a_round_with_what_it_has():
    machine = opened(deadline_s=10.0, quorum=2)
    machine.handle(update(A))
    machine.handle(update(C))
    [aggregate] = machine.handle(DeadlinePassed(10.0, 1))
    assert [client for client, _, _ in aggregate.updates] == [A, C]


def test_a_deadline_of_a_round_that_has_closed_does_nothing():
    machine = opened(deadline_s=10.0)
    for client in (A, B, C):
        machine.handle(update(client))
    assert machine.handle(DeadlinePassed(10.0, 1)) == []


def test_fewer_updates_than_the_quorum_fail_the_round_and_say_why():
    machine = opened(quorum=3)
    machine.handle(update(A))
    machine.handle(update(B))
    [fail] = machine.handle(ClientDeclined(1.0, 1, C, "fit", "dropout"))
    assert isinstance(fail, Fail) and isinstance(fail.error, QuorumError)
    assert "2 of 3 clients" in str(fail.error) and "dropout" in str(fail.error)


def test_over_selection_closes_at_the_wanted_number_of_updates():
    four = tuple(Selected(c) for c in (A, B, C, D))
    machine = opened(select=lambda round_id, time_s: four)
    machine.handle(update(D))
    machine.handle(update(B))
    commands = machine.handle(update(A))
    assert [type(c) for c in commands] == [Send, FoldAhead, Aggregate]


def test_a_flawed_update_stops_the_run_naming_round_and_client():
    [ack, fail] = opened().handle(update(B, flaw="the update is not finite"))
    assert ack.message.verdict == "refused"
    assert isinstance(fail.error, DivergenceError)
    assert fail.error.fields["client"] == B and fail.error.fields["round_id"] == 1


def test_drop_client_goes_on_without_the_client_that_diverged():
    machine = opened(on_divergence="drop_client")
    machine.handle(update(A))
    machine.handle(ClientDeclined(1.0, 1, B, "fit", "diverged", "the training loss", 4))
    commands = machine.handle(update(C))
    assert [client for client, _, _ in commands[-1].updates] == [A, C]


def test_a_loss_that_is_not_finite_stops_the_run_naming_the_local_step():
    [fail] = opened().handle(ClientDeclined(1.0, 1, B, "fit", "diverged", "the training loss", 4))
    assert isinstance(fail.error, DivergenceError)
    assert (fail.error.fields["client"], fail.error.fields["step"]) == (B, 4)


def test_the_users_failing_code_stops_the_run_with_its_own_words():
    [fail] = opened().handle(ClientDeclined(1.0, 1, B, "fit", "failed", "KeyError: 'w'"))
    assert isinstance(fail.error, TrainingError) and "KeyError: 'w'" in str(fail.error)


def test_a_round_in_which_nobody_has_a_sample_fails():
    machine = opened()
    for client in (A, B):
        machine.handle(update(client, weight=0.0))
    commands = machine.handle(update(C, weight=0.0))
    assert isinstance(commands[-1], Fail) and isinstance(commands[-1].error, RoundError)


def test_zero_rounds_evaluate_the_first_model_and_finish():
    machine = Coordinator(plan(rounds=0))
    assert machine.handle(FIRST) == [Evaluate(0, Digest("b0"))]
    assert machine.handle(Evaluated(0.0, 0, {})) == [Finish(0, 0, Digest("b0"), Digest("m0"))]


def test_each_commit_names_the_receipt_of_the_one_before():
    machine = opened(evaluate_every=0)
    records = []
    for round_id in (1, 2):
        for client in (A, B, C):
            commands = machine.handle(update(client, round_id))
        aggregated = Aggregated(2.0, round_id, Digest("b"), Digest("k"), Digest("m"))
        [commit] = machine.handle(aggregated)
        records.append(commit.record)
        commands = machine.handle(commit.record)
    assert records[0].previous == ""
    assert records[1].previous == journal.receipt(records[0])
    assert isinstance(commands[-1], Evaluate)  # the last round is always evaluated


def test_the_clients_evaluate_and_the_next_round_waits_for_all_of_them():
    machine = opened(federated_every=1, evaluators=(A, B))
    for client in (A, B, C):
        machine.handle(update(client))
    *asked, evaluate = finish_round(machine)
    assert isinstance(evaluate, Evaluate)
    assert [(c.message.client, c.message.task) for c in asked] == [(A, "evaluate"), (B, "evaluate")]
    assert machine.handle(EvaluationReceived(3.0, 1, A, {})) == []
    opened_next = machine.handle(ClientDeclined(3.0, 1, B, "evaluate", "failed"))
    assert {c.message.round_id for c in opened_next} == {2}


def story(plan_changes, choices):
    """A run that answers every command by itself, in the order that `choices` picks; its log."""
    machine, log = Coordinator(plan(**plan_changes)), []
    waiting = [FIRST]
    while waiting:
        event = waiting.pop(next(choices) % len(waiting))
        log.append(event)
        waiting.extend(filter(None, map(answer, machine.handle(event))))
    return machine, log


def answer(command):
    match command:
        case Send(Offer(client, round_id, "fit", dropout=False)):
            return update(client, round_id)
        case Send(Offer(client, round_id, "fit")):
            return ClientDeclined(1.0, round_id, client, "fit", "dropout")
        case Send(Offer(client, round_id, "evaluate")):
            return EvaluationReceived(1.0, round_id, client, {})
        case SetDeadline(round_id, time_s):
            return DeadlinePassed(time_s, round_id)
        case Aggregate(round_id):
            name = f"{round_id}"
            return Aggregated(
                1.0, round_id, Digest("b" + name), Digest("k" + name), Digest("m" + name)
            )
        case Commit(record):
            return record
        case Evaluate(round_id):
            return Evaluated(1.0, round_id, {})
    return None


PLANS = st.fixed_dictionaries(
    {
        "rounds": st.integers(0, 3),
        "federated_every": st.sampled_from([None, 0, 1]),
        "evaluators": st.just((A, D)),
        "select": st.sampled_from(
            [
                lambda round_id, time_s: tuple(Selected(c) for c in (A, B, C)),
                lambda round_id, time_s: (
                    Selected(A),
                    Selected(B, dropout=True),
                    Selected(C),
                    Selected(D),
                ),
            ]
        ),
    }
)


def numbers(values):
    return itertools.chain(values, itertools.repeat(0))


@given(PLANS, st.lists(st.integers(0, 9), max_size=40))
def test_any_order_of_answers_ends_in_the_same_models_and_accepted_sets(changes, choices):
    changes = {**changes, "select": lambda round_id, time_s: tuple(Selected(c) for c in (A, B, C))}
    machine, log = story(changes, numbers(choices))
    calm, calm_log = story(changes, numbers([]))
    assert machine.phase == calm.phase == "finished"
    committed = [
        [e.accepted for e in one if isinstance(e, RoundCommitted)] for one in (log, calm_log)
    ]
    assert committed[0] == committed[1]


@given(PLANS, st.lists(st.integers(0, 9), max_size=40), st.integers(0, 60))
def test_a_machine_folded_from_any_prefix_of_the_log_goes_on_to_the_same_end(changes, choices, cut):
    end, log = story(changes, numbers(choices))
    again = Coordinator(plan(**changes))
    for event in log[:cut]:
        again.handle(journal.decode(journal.encode(event)))
    waiting = list(filter(None, map(answer, again.resume(0.0)))) or ([FIRST] if cut == 0 else [])
    while waiting:
        waiting.extend(filter(None, map(answer, again.handle(waiting.pop(0)))))
    assert (again.phase, again.model, again.round.round_id) == (
        end.phase,
        end.model,
        end.round.round_id,
    )


def folded_ahead(commands):
    return [[c for c, _, _ in one.updates] for one in commands if isinstance(one, FoldAhead)]


def test_only_the_settled_beginning_of_the_order_is_folded_ahead():
    machine = opened()
    assert folded_ahead(machine.handle(update(B))) == []  # A may still come
    assert folded_ahead(machine.handle(update(A))) == [[A, B]]
    assert folded_ahead(machine.handle(update(C))) == [[C]]


def test_a_client_that_dropped_out_does_not_hold_the_others_up():
    machine = opened()
    machine.handle(ClientDeclined(1.0, 1, A, "fit", "dropout"))
    assert folded_ahead(machine.handle(update(B))) == [[B]]


def test_resuming_acknowledges_once_more_what_was_accepted():
    machine = opened()
    machine.handle(update(A))
    assert verdicts(machine.resume(1.0)) == ["accepted"]
    assert [c.message.client for c in machine.resume(1.0) if isinstance(c.message, Offer)] == [B, C]


def test_resuming_between_aggregate_and_commit_acknowledges_the_round_once_more():
    machine = opened()
    for client in (A, B, C):
        machine.handle(update(client))
    machine.handle(Aggregated(2.0, 1, Digest("b1"), Digest("k1"), Digest("m1")))
    commands = machine.resume(2.0)
    assert verdicts(commands) == ["accepted"] * 3 and isinstance(commands[-1], Commit)
    machine.handle(commands[-1].record)
    assert verdicts(machine.resume(2.0)) == ["accepted"] * 3  # not twice, though committed


def test_a_stragglers_delay_is_shortened_by_the_time_that_passed_before_the_resume():
    slow = (Selected(A), Selected(B, delay_s=30.0))
    machine = opened(select=lambda round_id, time_s: slow)
    machine.handle(update(A, time_s=12.0))
    [offer] = [c.message for c in machine.resume(12.0) if isinstance(c.message, Offer)]
    assert offer.delay_s == 18.0


@pytest.mark.parametrize(
    "changes",
    [
        {"quorum": 4},
        {"rounds": -1},
        {"per_round": 0},
        {"deadline_s": 0.0},
        {"deadline_s": float("nan")},
    ],
)
def test_a_plan_refuses_numbers_out_of_their_range(changes):
    with pytest.raises(ValueError, match="must be|is more"):
        plan(**changes)


def test_a_log_entry_of_another_version_is_refused():
    entry = journal.encode(FIRST).replace(b"Initialised", b"Reinvented!")
    with pytest.raises(journal.CorruptPayloadError, match="not a log entry"):
        journal.decode(entry)


def test_the_journal_gives_back_every_event_with_exact_metrics():
    metrics = {"loss": Mean.of(0.1, 3) + Mean.of(1e-300, 1)}
    for event in (FIRST, update(A), replace(update(B), metrics=metrics), DeadlinePassed(1.0, 2)):
        assert journal.decode(journal.encode(event)) == event
