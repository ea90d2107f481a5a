"""Positions as bits: what a plain loop over a list of them gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedplat.codecs import marks
from fedplat.codecs.marks import Marks, many
from fedplat.codecs.packet import Packet
from fedplat.params import Layout

MAPS = st.one_of(
    st.lists(st.booleans(), max_size=70),
    st.tuples(st.integers(0, 3 * marks.BLOCK), st.floats(0, 1), st.integers(0, 99)).map(
        lambda it: (np.random.default_rng(it[2]).random(it[0]) < it[1]).tolist()
    ),
).map(lambda there: np.array(there, dtype=np.bool_))


@given(MAPS)
def test_the_positions_that_were_marked_are_there(there):
    positions = np.flatnonzero(there)
    for made in (Marks.where(there), Marks.of(positions, len(there))):
        assert made.there().tobytes() == there.tobytes()
        packet = Packet(Layout(()), values=np.zeros(len(positions)), positions=made)
        assert packet.places().tolist() == positions.tolist()
        assert packet.places().dtype == np.int64


@given(MAPS, st.data())
def test_a_part_of_them_is_that_part_of_all(there, data):
    start = data.draw(st.integers(0, len(there)))
    stop = data.draw(st.integers(start, len(there)))
    assert Marks.where(there).there(start, stop).tobytes() == there[start:stop].tobytes()


@given(MAPS, st.data())
def test_how_many_lie_below_an_edge_is_counted_one_by_one(there, data):
    edges = data.draw(st.lists(st.integers(0, len(there)), max_size=9).map(sorted))
    counts = [sum(there[:edge].tolist()) for edge in edges]
    edges = np.array(edges, dtype=np.int64)
    assert Marks.where(there).below(edges).tolist() == counts
    assert np.searchsorted(np.flatnonzero(there), edges).tolist() == counts


@given(MAPS, st.data())
def test_entries_are_put_where_a_list_of_positions_puts_them(there, data):
    first = data.draw(st.integers(0, len(there)))
    entries = np.arange(1, 1 + int(there[first:].sum()), dtype=np.float32)
    got, slow = np.full((2, len(there) - first), -0.0, dtype=np.float32)
    Marks.where(there).spread(entries, got, first)
    for place, entry in zip(np.flatnonzero(there[first:]), entries, strict=True):
        slow[place] = entry
    assert got.tobytes() == slow.tobytes()  # and what is not there keeps its bits


@given(MAPS)
def test_entries_are_picked_in_the_order_of_their_positions(there):
    whole = np.arange(len(there), dtype=np.int16)
    assert Marks.where(there).picked(whole).tobytes() == whole[there].tobytes()


@pytest.mark.parametrize(("count", "dim", "said"), [(1, 4, False), (2, 7, True), (0, 0, False)])
def test_more_than_a_quarter_are_many(count, dim, said):
    assert many(count, dim) is said
