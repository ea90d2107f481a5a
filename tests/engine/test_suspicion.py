"""Suspicion: a number from the log alone, and the quarantine that a plan may tie to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import FIRST, A, B, C, D, opened, plan, update

from fedplat.engine import journal
from fedplat.engine.commands import Commit, Send
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import Aggregated, ClientQuarantined, ClientReleased, RoundCommitted
from fedplat.engine.messages import Offer
from fedplat.engine.standings import Standings
from fedplat.engine.suspicion import KEPT, QuarantineAfter, Suspicion, scores
from fedplat.types import Digest

STATE = (Digest("b"), Digest("k"), Digest("m"))
LYING = {"influence": (0.5, 0.5, 0.0)}


def record(round_id=1, clients=(A, B, C), influence=(), refused=None, **rest):
    rows = tuple((client, Digest(f"u-{client}"), 1.0) for client in clients)
    said = {"influence": influence, "refused": refused or {}, **rest}
    return RoundCommitted(2.0, round_id, *STATE, rows, {}, Digest(""), **said)


def play(machine, rounds, log=None, **said):
    """Lets rounds of the three first clients come to their commit; returns the last one's."""
    log = [] if log is None else log
    for _ in range(rounds):
        round_id = machine.round.round_id
        events = [update(client, round_id) for client in machine.round.missing]
        for event in events:
            machine.handle(event)
        aggregated = Aggregated(2.0, round_id, *STATE, **said)
        [commit] = machine.handle(aggregated)
        assert isinstance(commit, Commit)
        commands = machine.handle(commit.record)
        log += [*events, aggregated, commit.record]
    return commit.record, commands


# ── the number ───────────────────────────────────────────────────────────────────────────────────


def test_an_equal_share_is_not_suspect_none_at_all_is_and_so_is_a_refusal():
    found = scores(record(influence=(1 / 3, 2 / 3, 0.0), refused={B: "its norm"}))
    assert found == pytest.approx({A: 0.0, B: 1.0, C: 1.0})


@pytest.mark.parametrize("said", [{}, {"abandoned": "too few"}])
def test_a_rule_that_tells_nothing_makes_nobody_suspect(said):
    assert scores(record(**said)) == {}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_mean_is_the_weighted_one_of_all_rounds(said):
    suspicion = Suspicion()
    for score in said:
        suspicion = suspicion.after(score)
    weights = [KEPT**age for age in reversed(range(len(said)))]
    mean = sum(w * s for w, s in zip(weights, said, strict=True)) / sum(weights)
    assert suspicion.value == pytest.approx(mean) and suspicion.rounds == len(said)
    assert 0 <= suspicion.value <= 1 + 1e-12


def test_of_a_client_of_which_no_round_has_told_there_is_no_suspicion():
    assert Suspicion().value is None


def test_conduct_counts_what_was_asked_accepted_and_refused():
    standings = Standings()
    standings.commit(record(influence=(0.5, 0.5, 0.0), refused={C: "its norm"}), (A, B, C, D))
    standings.commit(record(2, (A, C), influence=(0.75, 0.25)), (A, C))
    mine = standings.conduct[A]
    assert (mine.asked, mine.accepted, mine.refused, mine.mean_influence) == (2, 2, 0, 1.5)
    lying = standings.conduct[C]
    assert (lying.accepted, lying.refused, lying.mean_influence) == (2, 1, 0.25)
    assert standings.conduct[D].asked == 1 and standings.conduct[D].mean_influence is None
    assert lying.suspicion.value > 0.7 and mine.suspicion.value == 0.0


# ── the quarantine that follows from it ──────────────────────────────────────────────────────────


def wary(**changes):
    after = QuarantineAfter(suspicion=0.9, rounds=3)
    settings = {"rounds": 9, "registered": 4, "evaluate_every": 0, "quarantine_after": after}
    return opened(**{**settings, **changes})


def test_after_so_many_rounds_the_record_names_the_suspect_and_the_next_round_leaves_it_out():
    machine = wary()
    last, _ = play(machine, 2, **LYING)
    assert last.quarantined == {}
    last, commands = play(machine, 1, **LYING)
    assert last.quarantined == {C: "suspicion 1.00 over 3 rounds"}
    assert [c.message.client for c in commands if isinstance(c.message, Offer)] == [A, B]
    held = machine.standings.quarantined[C]
    assert held.alone and held.round_id == 3


def test_the_control_unless_it_was_asked_for_nobody_is_quarantined():
    machine = wary(quarantine_after=None)
    last, _ = play(machine, 6, **LYING)
    assert last.quarantined == {} and machine.standings.conduct[C].suspicion.value == 1.0


def test_the_control_who_has_its_share_is_never_quarantined():
    machine = wary()
    play(machine, 6, influence=(1 / 3, 1 / 3, 1 / 3))
    assert machine.standings.quarantined == {}


def easily(most):
    return QuarantineAfter(suspicion=0.5, rounds=1, most=most)


def test_the_quorum_is_spared_and_the_most_suspect_go_first():
    machine = wary(registered=3, quorum=2, quarantine_after=easily(3))
    last, _ = play(machine, 1, influence=(1.0, 0.1, 0.0))
    assert list(last.quarantined) == [C]
    last, _ = play(machine, 1, influence=(1.0, 0.0))
    assert last.quarantined == {}


def test_equally_suspect_clients_go_in_the_order_of_their_names():
    machine = wary(registered=3, quorum=2, quarantine_after=easily(3))
    last, _ = play(machine, 1, refused={C: "far", B: "far"})
    assert list(last.quarantined) == [B]


def test_where_more_are_suspect_than_can_be_liars_the_number_says_nothing():
    machine = wary(registered=9, quarantine_after=easily(1))
    last, _ = play(machine, 1, influence=(1.0, 0.0, 0.0))  # as Krum has it
    assert last.quarantined == {} and machine.standings.conduct[B].suspicion.value == 1.0
    machine = wary(registered=9, quarantine_after=easily(2))  # the control
    last, _ = play(machine, 1, influence=(1.0, 0.0, 0.0))
    assert list(last.quarantined) == [B, C]


def test_unless_it_is_said_how_many_fewer_than_half_are_quarantined():
    for registered, expected in ((4, []), (5, [B, C])):
        machine = wary(registered=registered, quarantine_after=easily(None))
        last, _ = play(machine, 1, influence=(1.0, 0.0, 0.0))
        assert list(last.quarantined) == expected


def test_at_most_so_many_are_quarantined_by_the_coordinator_itself():
    machine = wary(registered=9, quarantine_after=easily(1))
    machine.handle(ClientQuarantined(1.0, A, "the operator's"))  # does not count
    last, _ = play(machine, 1, refused={B: "far"})
    assert list(last.quarantined) == [B]
    last, _ = play(machine, 1, refused={C: "far"})
    assert last.quarantined == {}


def test_a_released_client_begins_anew():
    machine = wary()
    play(machine, 3, **LYING)
    machine.handle(ClientReleased(3.0, C))
    assert machine.standings.conduct[C].suspicion.value is None
    play(machine, 1, influence=(0.5, 0.5))  # the open round had not asked it
    last, _ = play(machine, 2, **LYING)
    assert last.quarantined == {} and machine.standings.conduct[C].suspicion.rounds == 2
    last, _ = play(machine, 1, **LYING)
    assert list(last.quarantined) == [C]


def test_after_a_restart_at_any_event_the_same_client_is_in_quarantine():
    machine, log = wary(), [FIRST]
    play(machine, 3, log, **LYING)
    for cut in range(1, len(log) + 1):
        again = Coordinator(machine.plan)
        for event in log[:cut]:
            again.handle(journal.decode(journal.encode(event)))
        again.resume(9.0)
        for event in log[cut:]:
            again.handle(event)
        assert again.standings == machine.standings and again.previous == machine.previous


def test_between_aggregate_and_commit_a_restart_names_the_same_suspect():
    machine, log = wary(), [FIRST]
    last, _ = play(machine, 3, log, **LYING)
    again = Coordinator(machine.plan)
    for event in log[:-1]:
        again.handle(journal.decode(journal.encode(event)))
    commits = [one for one in again.resume(9.0) if not isinstance(one, Send)]
    assert [one.record for one in commits] == [last]


@pytest.mark.parametrize(
    "changes",
    [
        {"suspicion": 0.0},
        {"suspicion": 1.1},
        {"suspicion": float("nan")},
        {"rounds": 0},
        {"most": -1},
    ],
)
def test_numbers_out_of_their_range_are_refused(changes):
    with pytest.raises(ValueError, match="must"):
        QuarantineAfter(**{"suspicion": 0.9, "rounds": 5, **changes})


def test_a_plan_that_does_not_know_how_many_clients_there_are_quarantines_nobody_by_itself():
    with pytest.raises(ValueError, match="registered"):
        plan(quarantine_after=QuarantineAfter(suspicion=0.9, rounds=5))


@pytest.mark.parametrize("registered", [0, -1, 2.5])
def test_a_number_of_clients_that_is_none_is_refused(registered):
    with pytest.raises(ValueError, match="registered must be a whole number"):
        plan(registered=registered)
