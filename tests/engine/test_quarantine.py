"""Quarantine: a client is asked nothing, nothing of it counts, and nobody waits for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import FIRST, A, B, C, D, finish_round, opened, plan, update, verdicts

from fedplat.engine import journal
from fedplat.engine.commands import Aggregate, Fail, Send
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import (
    Aggregated,
    ClientDeclined,
    ClientQuarantined,
    ClientReleased,
    Evaluated,
    EvaluationReceived,
    LeaseExpired,
)
from fedplat.engine.messages import Ack, Offer
from fedplat.engine.plan import Selected
from fedplat.engine.quarantine import objection, release_objection
from fedplat.types import Digest

HELD, FREE = ClientQuarantined(1.0, C, "odd updates"), ClientReleased(5.0, C)
EVERYBODY = (A, B, C, D)
AGGREGATED = Aggregated(2.0, 1, Digest("b1"), Digest("k1"), Digest("m1"))


def offered(commands, task="fit"):
    messages = [c.message for c in commands if isinstance(c, Send)]
    return [m.client for m in messages if isinstance(m, Offer) and m.task == task]


def details(commands):
    messages = [c.message for c in commands if isinstance(c, Send)]
    return [(m.client, m.verdict, m.detail) for m in messages if isinstance(m, Ack)]


def closes(commands):
    return any(isinstance(one, Aggregate) for one in commands)


def in_any_order(round_id, time_s):
    return tuple(map(Selected, (D, C, B, A)))


# ── a round that is open ─────────────────────────────────────────────────────────────────────────


def test_the_open_round_waits_no_longer_for_a_quarantined_client():
    machine = opened()
    machine.handle(update(A))
    machine.handle(update(B))
    assert closes(machine.handle(HELD))
    assert machine.round.lost == {C: "quarantined: odd updates"}


def test_the_control_the_same_round_without_the_quarantine_goes_on_waiting():
    machine = opened()
    machine.handle(update(A))
    assert not closes(machine.handle(update(B))) and machine.round.missing == [C]


def test_the_update_of_a_quarantined_client_is_refused_with_the_reason():
    machine = opened()
    machine.handle(HELD)
    commands = machine.handle(update(C))
    assert details(commands) == [(C, "refused", "quarantined: odd updates")]
    machine.handle(update(A))
    [*_, aggregate] = machine.handle(update(B))
    assert [client for client, *_ in aggregate.updates] == [A, B]


def test_what_was_accepted_before_the_quarantine_still_counts():
    machine = opened()
    machine.handle(update(C))
    machine.handle(HELD)
    assert verdicts(machine.handle(update(C))) == ["accepted"]  # it was, and was told so
    machine.handle(update(A))
    [*_, aggregate] = machine.handle(update(B))
    assert [client for client, *_ in aggregate.updates] == [A, B, C]


def test_somebody_else_is_asked_in_the_place_of_who_is_quarantined():
    machine = opened(stand_ins=in_any_order)
    assert offered(machine.handle(HELD)) == [D]
    assert machine.round.missing == [A, B, D]


def test_a_failing_client_in_quarantine_does_not_stop_the_federation():
    machine = opened(on_divergence="stop")
    machine.handle(HELD)
    assert machine.handle(ClientDeclined(2.0, 1, C, "fit", "diverged", "the loss", 3)) == []
    assert verdicts(machine.handle(update(C, flaw="the update is not finite"))) == ["refused"]
    assert machine.phase == "collecting"


def test_a_quarantined_clients_lease_expires_without_consequence():
    machine = opened(lease_s=5.0, max_attempts=1)
    machine.handle(HELD)
    assert machine.handle(LeaseExpired(6.0, 1, C, "fit", 1)) == []


def test_a_quarantined_client_that_comes_back_is_offered_nothing():
    machine = opened()
    assert offered(machine.outstanding(C)) == [C]
    machine.handle(HELD)
    assert machine.outstanding(C) == [] and offered(machine.outstanding(A)) == [A]


# ── the rounds after ─────────────────────────────────────────────────────────────────────────────


def test_the_next_cohort_has_a_stand_in_for_who_is_quarantined_and_is_otherwise_the_same():
    machine = opened(stand_ins=in_any_order)
    for client in (A, B, C):
        machine.handle(update(client))
    machine.handle(HELD)
    assert offered(finish_round(machine)) == [A, B, D]


def test_without_stand_ins_the_cohort_is_smaller():
    machine = opened()
    for client in (A, B, C):
        machine.handle(update(client))
    machine.handle(HELD)
    assert offered(finish_round(machine)) == [A, B]


def test_a_released_client_is_asked_again_from_the_next_round_on():
    machine = opened()
    machine.handle(HELD)
    machine.handle(FREE)
    assert machine.outstanding(C) == []
    machine.handle(update(A))
    machine.handle(update(B))
    assert offered(finish_round(machine)) == [A, B, C]


def test_what_was_refused_once_is_refused_for_good_though_its_client_is_released():
    machine = opened()
    machine.handle(HELD)
    assert verdicts(machine.handle(update(C))) == ["refused"]  # so the client forgets its state
    machine.handle(FREE)
    assert details(machine.handle(update(C))) == [(C, "refused", "quarantined: odd updates")]
    assert machine.round.accepted == {}


def test_releasing_who_is_not_quarantined_changes_nothing():
    machine = opened()
    assert machine.handle(FREE) == [] and machine.round.missing == [A, B, C]


def test_a_second_quarantine_changes_neither_reason_nor_round():
    machine = opened()
    machine.handle(HELD)
    assert machine.handle(ClientQuarantined(2.0, C, "another")) == []
    assert machine.standings.quarantined[C].reason == "odd updates"


def test_quarantine_while_a_round_is_folded_takes_effect_with_the_next():
    machine = opened()
    for client in (A, B, C):
        machine.handle(update(client))
    assert machine.handle(HELD) == [] and machine.phase == "aggregating"
    assert offered(finish_round(machine)) == [A, B]


# ── evaluations ──────────────────────────────────────────────────────────────────────────────────


def surveying(**changes):
    return opened(evaluators=EVERYBODY, federated_every=1, evaluate_every=0, **changes)


def through(machine):
    for client in (A, B, C):
        machine.handle(update(client))
    return finish_round(machine)


def test_a_quarantined_client_is_not_asked_to_evaluate():
    machine = surveying()
    machine.handle(HELD)
    machine.handle(update(A))
    machine.handle(update(B))
    assert offered(finish_round(machine), "evaluate") == [A, B, D]


def test_nobody_waits_for_the_evaluation_of_who_is_quarantined_meanwhile():
    machine = surveying()
    assert offered(through(machine), "evaluate") == list(EVERYBODY)
    for client in (A, B, D):
        machine.handle(EvaluationReceived(3.0, 1, client, {}))
    assert machine.phase == "surveying"
    assert offered(machine.handle(HELD)) == [A, B]
    assert machine.round.round_id == 2


def test_where_every_evaluator_is_quarantined_the_next_round_opens_at_once():
    machine = surveying()
    machine.plan = plan(evaluators=(C,), federated_every=1, evaluate_every=0)
    machine.handle(HELD)
    machine.handle(update(A))
    machine.handle(update(B))
    assert offered(finish_round(machine)) == [A, B] and machine.phase == "collecting"


# ── late and asynchronous ────────────────────────────────────────────────────────────────────────


def carrying(**changes):
    return opened(**{"rounds": 4, "per_round": 2, "carry_over": True, **changes})


def test_the_late_update_of_a_quarantined_client_does_not_count_in_the_next_round():
    machine = carrying(evaluate_every=9)
    machine.handle(update(A))
    machine.handle(update(B))
    assert machine.handle(update(C)) == []  # it came between two rounds, and waits
    assert details(machine.handle(HELD)) == [(C, "refused", "quarantined: odd updates")]
    commands = finish_round(machine)
    assert offered(commands) == [A, B] and machine.round.accepted == {}


def test_who_still_works_on_an_earlier_round_is_let_go():
    machine = carrying(evaluate_every=9)
    machine.handle(update(A))
    machine.handle(update(B))
    machine.handle(machine.handle(AGGREGATED)[0].record)
    assert list(machine.backlog.assignments) == [C]
    machine.handle(HELD)
    assert machine.backlog.assignments == {}
    assert verdicts(machine.handle(update(C, 1))) == ["refused"]


def test_an_asynchronous_federation_asks_another_at_once():
    reserve = tuple(map(Selected, (A, B, C)))
    machine = carrying(
        concurrency=3, reserve=lambda round_id, time_s: reserve, stand_ins=in_any_order
    )
    assert sorted(machine.round.missing) == [A, B, C]
    assert offered(machine.handle(HELD)) == [D]


# ── what speaks against it ───────────────────────────────────────────────────────────────────────


def test_a_quarantine_that_leaves_fewer_than_the_quorum_is_objected_to():
    machine = opened(registered=3, quorum=2)
    assert objection(machine, C) == ""
    machine.handle(HELD)
    assert "only 1 of 3 clients would be left" in objection(machine, B)
    machine.handle(FREE)
    assert "open round 1" in objection(machine, B)  # which had let C go
    machine.handle(update(B))
    assert objection(machine, B) == ""


def test_the_open_rounds_quorum_is_not_taken_away():
    machine = opened(registered=4, quorum=2)
    machine.handle(ClientDeclined(1.0, 1, A, "fit", "dropout"))
    assert "could not reach its quorum of 2" in objection(machine, C)
    machine.handle(update(B))
    machine.handle(update(C))
    assert objection(machine, C) == ""  # its update counts, so the round needs it no more


def test_the_control_that_quarantine_would_have_ended_the_federation():
    machine = opened(registered=4, quorum=2)
    machine.handle(ClientDeclined(1.0, 1, A, "fit", "dropout"))
    machine.handle(update(B))
    assert isinstance(machine.handle(HELD)[-1], Fail)


def test_with_a_stand_in_the_open_round_can_do_without():
    machine = opened(registered=4, quorum=2, stand_ins=in_any_order)
    machine.handle(ClientDeclined(1.0, 1, A, "fit", "dropout"))
    assert objection(machine, C) == ""
    assert offered(machine.handle(HELD)) == [D]


def test_who_is_quarantined_already_and_who_is_not_are_objected_to():
    machine = opened()
    assert "not in quarantine" in release_objection(machine, C)
    machine.handle(HELD)
    assert "already, since round 1 (odd updates)" in objection(machine, C)
    assert release_objection(machine, C) == ""


def test_what_is_over_is_over():
    machine = opened(rounds=1)
    through(machine)
    machine.handle(Evaluated(3.0, 1, {}))
    assert machine.phase == "finished" and objection(machine, C) == "the federation is over"
    assert machine.handle(HELD) == []


# ── after a restart ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("event", [HELD, FREE], ids=lambda one: type(one).__name__)
def test_the_operators_words_are_in_the_journal_as_they_are(event):
    assert journal.decode(journal.encode(event)) == event


MOVES = st.lists(
    st.one_of(
        st.sampled_from(EVERYBODY).map(lambda c: ClientQuarantined(1.0, c, "odd")),
        st.sampled_from(EVERYBODY).map(lambda c: ClientReleased(1.0, c)),
        st.builds(update, st.sampled_from(EVERYBODY), st.integers(1, 3)),
        st.integers(1, 2).map(
            lambda r: Aggregated(2.0, r, *(Digest(f"{letter}{r}") for letter in "bkm"))
        ),
        st.integers(1, 2).map(lambda r: Evaluated(2.0, r, {})),
    ),
    max_size=25,
)


def state(machine):
    return (
        machine.phase,
        machine.round.round_id,
        list(machine.round.asked),
        sorted(machine.round.accepted),
        machine.round.lost,
        machine.standings,
        machine.previous,
    )


@given(MOVES)
def test_a_log_with_quarantines_folds_to_the_same_machine(moves):
    machine, log = opened(stand_ins=in_any_order), [FIRST]
    for event in moves:
        log.append(event)
        for command in machine.handle(event):
            record = getattr(command, "record", None)
            if record is not None:
                log.append(record)
                machine.handle(record)
    again = Coordinator(plan(stand_ins=in_any_order))
    for event in log:
        again.handle(journal.decode(journal.encode(event)))
    assert state(again) == state(machine)


@given(MOVES)
def test_nobody_in_quarantine_is_asked_awaited_or_waiting(moves):
    machine = opened(stand_ins=in_any_order)
    for event in moves:
        held = set(machine.standings.quarantined)
        commands = machine.handle(event)
        now = set(machine.standings.quarantined)
        assert not set(offered(commands)) & held & now
        assert not set(machine.round.missing) & now
        if isinstance(event, ClientQuarantined) and machine.phase == "collecting":
            assert event.client not in machine.round.missing
