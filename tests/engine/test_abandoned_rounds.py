"""What a robust rule says of a round is in the log: influence, refusals, or why there is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import FIRST, A, B, C, opened, plan, update

from fedplat.engine import journal
from fedplat.engine.commands import Commit, Evaluate, Send
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import Aggregated, RoundCommitted
from fedplat.types import Digest

WHY = "krum requires n ≥ 2f + 3; got n=3, f=1"
UNCHANGED = (Digest("b0"), Digest("k0"), Digest("m0"))
ABANDONED = Aggregated(2.0, 1, *UNCHANGED, abandoned=WHY)
JUDGED = Aggregated(
    2.0, 1, Digest("b1"), Digest("k1"), Digest("m1"), (0.75, 0.0, 0.25), {B: "its norm is infinite"}
)
OLD = (  # entries from before, byte by byte
    b'{"broadcast":"b","event":"Aggregated","kept":"k","model":"m","round_id":1,"time_s":2.0}',
    b'{"accepted":[["client-000000","u",1.0]],"broadcast":"b","event":"RoundCommitted","kept":"k",'
    b'"metrics":{},"model":"m","previous":"","round_id":1,"time_s":2.0}',
)


def answered():
    machine = opened()
    for client in (A, B, C):
        machine.handle(update(client))
    return machine


def committed(machine, aggregated):
    [commit] = machine.handle(aggregated)
    assert isinstance(commit, Commit)
    return commit.record


@pytest.mark.parametrize("aggregated", [ABANDONED, JUDGED], ids=["abandoned", "judged"])
def test_the_commit_record_says_what_the_rule_said(aggregated):
    record = committed(answered(), aggregated)
    assert record.influence == aggregated.influence
    assert record.refused == aggregated.refused
    assert record.abandoned == aggregated.abandoned


def test_the_record_of_a_rule_that_says_nothing_says_nothing():
    record = committed(answered(), Aggregated(2.0, 1, *UNCHANGED))
    assert (record.influence, record.refused, record.abandoned) == ((), {}, "")


def test_an_abandoned_round_is_committed_with_the_model_as_it_was_and_the_next_one_opens():
    machine = answered()
    record = committed(machine, ABANDONED)
    assert [client for client, *_ in record.accepted] == [A, B, C]
    commands = machine.handle(record)
    assert (machine.phase, machine.round.round_id) == ("collecting", 2)
    assert (machine.broadcast, machine.kept, machine.model) == UNCHANGED
    assert [c.message.round_id for c in commands if isinstance(c, Send)] == [2, 2, 2]
    assert any(isinstance(one, Evaluate) for one in commands)


def test_an_abandoned_round_is_the_same_after_a_restart():
    machine = answered()
    record = committed(machine, ABANDONED)
    machine.handle(record)
    again = Coordinator(plan())
    for event in (FIRST, *map(update, (A, B, C)), ABANDONED, record):
        again.handle(journal.decode(journal.encode(event)))
    assert again.round.asked == machine.round.asked and again.phase == machine.phase
    assert again.previous == machine.previous == journal.receipt(record)


@pytest.mark.parametrize("entry", OLD, ids=["Aggregated", "RoundCommitted"])
def test_an_entry_of_an_older_version_is_read_and_written_as_the_same_bytes(entry):
    event = journal.decode(entry)
    assert (event.influence, event.refused, event.abandoned) == ((), {}, "")
    assert journal.encode(event) == entry  # so the receipts of older records are what they were


def test_what_a_rule_said_is_part_of_the_receipt():
    plain = RoundCommitted(2.0, 1, *UNCHANGED, (), {}, Digest(""))
    said = RoundCommitted(2.0, 1, *UNCHANGED, (), {}, Digest(""), abandoned=WHY)
    assert journal.receipt(plain) != journal.receipt(said)


shares = st.lists(st.floats(0, 1), max_size=5).map(tuple)
reasons = st.dictionaries(st.sampled_from([A, B, C]), st.text(max_size=20), max_size=3)


@given(shares, reasons, st.text(max_size=30), reasons)
def test_the_journal_gives_back_whatever_a_rule_says(influence, refused, abandoned, quarantined):
    said = {"influence": influence, "refused": refused, "abandoned": abandoned}
    rows = tuple((A, Digest(f"u{index}"), 1.0) for index in range(len(influence)))
    for event in (
        Aggregated(2.0, 1, *UNCHANGED, **said),
        RoundCommitted(2.0, 1, *UNCHANGED, rows, {}, Digest(""), **said, quarantined=quarantined),
    ):
        again = journal.decode(journal.encode(event))
        assert again == event and isinstance(again.influence, tuple)


def test_an_influence_for_more_clients_than_were_accepted_is_refused():
    with pytest.raises(ValueError, match="2 influences for 0 updates"):
        RoundCommitted(2.0, 1, *UNCHANGED, (), {}, Digest(""), influence=(0.5, 0.5))
    entry = journal.encode(RoundCommitted(2.0, 1, *UNCHANGED, (), {}, Digest("")))
    with pytest.raises(journal.CorruptPayloadError, match="1 influences for 0 updates"):
        journal.decode(entry.replace(b'"kept"', b'"influence":[1.0],"kept"'))


@pytest.mark.parametrize("influence", ["[null]", '[["a"]]', "3", '"much"', '{"a":1}'])
def test_an_influence_that_is_no_row_of_numbers_is_refused(influence):
    entry = journal.encode(JUDGED).replace(b"[0.75,0.0,0.25]", influence.encode())
    with pytest.raises(journal.CorruptPayloadError, match="not a log entry"):
        journal.decode(entry)


def test_a_share_that_is_not_a_number_does_not_enter_the_log():
    with pytest.raises(ValueError, match="JSON compliant"):
        journal.encode(Aggregated(2.0, 1, *UNCHANGED, influence=(float("nan"),)))


def test_refusals_are_written_in_one_order():
    there, back = {A: "x", B: "y"}, {B: "y", A: "x"}
    one, other = (Aggregated(2.0, 1, *UNCHANGED, refused=said) for said in (there, back))
    assert journal.encode(one) == journal.encode(other)
