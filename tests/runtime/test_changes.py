"""What travels of a broadcast: all that differs from what the client holds, and little else."""

from hypothesis import given
from hypothesis import strategies as st

from fedplat.runtime.changes import GAP_BYTES, KEPT, PIECE_BYTES, REMEMBERED, Changes
from fedplat.types import Digest

SIZES = (40, 3 * PIECE_BYTES + 5, 0, 1000, PIECE_BYTES)
TOTAL = sum(SIZES)
FIRST, SECOND, THIRD = (Digest(letter * 64) for letter in "abc")


def after(payload, *places):
    """The payload with the bytes at these places changed."""
    changed = bytearray(payload)
    for place in places:
        changed[place] ^= 1
    return bytes(changed)


def one_step(*places):
    """Changes after a second broadcast that differs at these places."""
    changes, begun = Changes(SIZES), bytes(TOTAL)
    changes.begin(FIRST)
    changes.follow(SECOND, after(begun, *places), FIRST, begun)
    return changes


def test_a_tensor_that_did_not_change_does_not_travel():
    inside = 40 + 3 * PIECE_BYTES + 5 + 17
    changes = one_step(inside)
    start = 40 + 3 * PIECE_BYTES + 5
    assert changes.between(FIRST, SECOND, 0, TOTAL) == [(start, start + 1000)]


def test_of_a_large_tensor_only_the_pieces_that_changed_travel():
    changes = one_step(40 + PIECE_BYTES)
    piece = (40 + PIECE_BYTES, 40 + 2 * PIECE_BYTES)
    assert changes.between(FIRST, SECOND, 0, TOTAL) == [piece]


def test_a_broadcast_in_which_everything_changed_is_one_span():
    changes = one_step(*range(0, TOTAL, 20))
    assert changes.between(FIRST, SECOND, 0, TOTAL) == [(0, TOTAL)]


def test_a_broadcast_that_is_its_predecessor_has_nothing_new():
    assert one_step().between(FIRST, SECOND, 0, TOTAL) == []


def test_what_a_client_has_already_is_cut_off_the_first_span():
    changes = one_step(0, TOTAL - 1)
    last = (TOTAL - PIECE_BYTES, TOTAL)
    assert changes.between(FIRST, SECOND, 0, TOTAL) == [(0, 40), last]
    assert changes.between(FIRST, SECOND, 15, TOTAL) == [(15, 40), last]
    assert changes.between(FIRST, SECOND, 40, TOTAL) == [last]
    assert changes.between(FIRST, SECOND, TOTAL, TOTAL) == []


def test_between_two_spans_fewer_equal_bytes_than_a_span_costs_travel_with_them():
    for gap, spans in ((GAP_BYTES - 1, 1), (GAP_BYTES, 2)):
        changes, begun = Changes([8, gap, 8]), bytes(16 + gap)
        changes.begin(FIRST)
        changes.follow(SECOND, after(begun, 0, 8 + gap), FIRST, begun)
        assert len(changes.between(FIRST, SECOND, 0, 16 + gap)) == spans


@given(st.lists(st.sets(st.integers(0, TOTAL - 1), max_size=4), min_size=1, max_size=7), st.data())
def test_whatever_a_client_holds_the_spans_and_its_own_bytes_make_the_broadcast(steps, data):
    changes, payloads = Changes(SIZES), [bytes(TOTAL)]
    names = [Digest(f"{number:064x}") for number in range(len(steps) + 1)]
    changes.begin(names[0])
    for number, places in enumerate(steps):
        payloads.append(after(payloads[-1], *places))
        changes.follow(names[number + 1], payloads[-1], names[number], payloads[-2])
    held = data.draw(st.integers(0, len(steps)))
    offset = data.draw(st.integers(0, TOTAL))
    made = bytearray(payloads[-1][:offset] + payloads[held][offset:])
    for start, stop in changes.between(names[held], names[-1], offset, TOTAL):
        made[start:stop] = payloads[-1][start:stop]
    assert bytes(made) == payloads[-1]


def everything(changes, known, digest=SECOND):
    return changes.between(known, digest, 7, TOTAL) == [(7, TOTAL)]


def test_to_a_client_that_holds_what_nobody_knows_everything_is_new():
    changes = one_step(0)
    assert everything(changes, THIRD)
    assert everything(changes, FIRST, THIRD)
    assert not everything(changes, FIRST)


def test_a_broadcast_that_follows_on_another_than_the_last_is_all_new():
    changes, begun = one_step(0), bytes(TOTAL)
    changes.follow(THIRD, begun, FIRST, begun)  # equal to the first, but the second lies between
    assert everything(changes, FIRST, THIRD)
    assert everything(changes, SECOND, THIRD)


def test_a_broadcast_of_another_size_is_all_new():
    changes = Changes(SIZES)
    changes.begin(FIRST)
    changes.follow(SECOND, bytes(TOTAL - 1), FIRST, bytes(TOTAL - 1))
    assert changes.between(FIRST, SECOND, 0, TOTAL - 1) == [(0, TOTAL - 1)]


def test_a_broadcast_that_comes_back_is_known_by_its_last_time():
    changes, begun = one_step(0), bytes(TOTAL)
    changes.follow(FIRST, begun, SECOND, after(begun, 0))
    assert changes.between(SECOND, FIRST, 0, TOTAL) == [(0, 40)]
    assert changes.between(FIRST, FIRST, 0, TOTAL) == []


def test_what_is_remembered_is_bounded():
    changes = Changes([1])
    changes.begin(FIRST)
    before = FIRST
    for number in range(REMEMBERED + 5):
        following = Digest(f"{number:064x}")
        changes.follow(following, b"a", before, b"a")
        before = following
    assert len(changes._numbers) == REMEMBERED
    assert len(changes._since) == KEPT
    assert changes.between(FIRST, before, 0, 1) == [(0, 1)]
    assert changes.between(Digest(f"{900:064x}"), before, 0, 1) == []
