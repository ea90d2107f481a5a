"""How far two vectors lie apart, against a plain loop over their values."""

import math
import struct

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedplat.runtime import distance as module
from fedplat.runtime.distance import Distance, distance

FLOATS = st.floats(width=32)
PAIRS = st.lists(st.tuples(FLOATS, FLOATS | st.none()), max_size=20)


def place(value):
    """The place of a float32 among all of them, by its bits."""
    [bits] = struct.unpack("<I", struct.pack("<f", value))
    return bits if bits < 1 << 31 else -(bits - (1 << 31))


def bits(value):
    return struct.pack("<f", value)


def plain(pairs):
    differing = [(a, b) for a, b in pairs if bits(a) != bits(b)]
    finite = [(a, b) for a, b in differing if math.isfinite(a) and math.isfinite(b)]
    gaps = [abs(a - b) for a, b in finite]
    relative = [abs(a - b) / (max(abs(a), abs(b)) or 1.0) for a, b in finite]
    ulp = [abs(place(a) - place(b)) for a, b in finite]
    counts = len(pairs), len(differing), len(differing) - len(finite)
    return (*counts, *(max(each, default=0) for each in (gaps, relative, ulp)))


@pytest.mark.parametrize("block", [1 << 20, 3])
@given(pairs=PAIRS)
def test_counts_and_maxima_are_those_of_a_plain_loop(pairs, block):
    pairs = [(a, a if b is None else b) for a, b in pairs]
    a, b = (torch.tensor([pair[i] for pair in pairs], dtype=torch.float32) for i in (0, 1))
    before, module.BLOCK = module.BLOCK, block
    try:
        found = distance(a, b)
    finally:
        module.BLOCK = before
    wanted = plain(list(zip(a.tolist(), b.tolist(), strict=True)))
    assert (found.values, found.differing, found.not_finite) == wanted[:3]
    assert found.max_absolute == wanted[3]
    assert found.max_relative == pytest.approx(wanted[4], rel=1e-12)
    assert found.max_ulp == wanted[5]


def test_the_last_bit_is_one_ulp():
    a = torch.tensor([1.0, -2.0, 0.0])
    b = a.clone()
    b[1] = float(np.nextafter(np.float32(-2.0), np.float32(0.0)))
    assert distance(a, b) == Distance(3, 1, 0, 2.0**-23, 2.0**-24, 1)
    assert distance(a, a) == Distance(3)


def test_zeros_of_two_signs_differ_and_lie_on_one_place():
    assert distance(torch.tensor([0.0]), torch.tensor([-0.0])) == Distance(1, 1)


def test_vectors_of_two_lengths_have_no_distance():
    with pytest.raises(ValueError, match="no distance"):
        distance(torch.zeros(2), torch.zeros(3))
