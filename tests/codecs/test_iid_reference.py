"""The i.i.d. reference: a number to be measured against, and what it counts."""

from itertools import combinations
from math import log2

import numpy as np
import pytest
import torch

from fedplat.codecs.packet import Form, Packet
from fedplat.codecs.reference import iid_reference_bits
from fedplat.params import Layout
from fedplat.types import TensorSpec


def layout(*sizes: int) -> Layout:
    return Layout.of(
        TensorSpec(f"t{index}", torch.float32, (size,)) for index, size in enumerate(sizes)
    )


def symbols(*given: int) -> np.ndarray:
    return np.array(given, dtype=np.int16)


def test_where_the_entries_stand_costs_the_logarithm_of_the_ways_to_choose():
    packet = Packet(layout(6), symbols=symbols(0, 1, 0, 1, 1, 0))
    ways = len(list(combinations(range(6), 3)))
    assert iid_reference_bits(packet, Form(alphabet=(0, 1))) == pytest.approx(log2(ways))


def test_signs_that_are_even_cost_a_bit_each():
    packet = Packet(layout(4), symbols=symbols(1, -1, -1, 1))
    assert iid_reference_bits(packet, Form(alphabet=(-1, 1))) == pytest.approx(4)


def test_a_sparse_packet_costs_what_the_same_dense_one_does():
    dense = Packet(layout(3, 5), symbols=symbols(0, 2, 0, 1, 0, 0, 2, 1))
    places = np.flatnonzero(dense.letters)
    sparse = Packet(layout(3, 5), symbols=dense.letters[places], positions=places)
    form = Form(where="some", alphabet=(0, 2))
    assert iid_reference_bits(sparse, form) == iid_reference_bits(dense, Form(alphabet=(0, 2)))


def test_each_tensor_has_a_density_of_its_own():
    split = Packet(layout(4, 4), symbols=symbols(1, 1, 1, 1, 0, 0, 0, 0))
    assert iid_reference_bits(split, Form(alphabet=(0, 1))) == 0
    whole = Packet(layout(8), symbols=split.letters)
    assert iid_reference_bits(whole, Form(alphabet=(0, 1))) == pytest.approx(log2(70))


def test_positions_from_a_seed_cost_nothing_and_the_side_costs_its_bits():
    packet = Packet(layout(9), symbols=symbols(1, 1), positions=np.array([2, 7]), side=bytes(8))
    drawn = Form(where="drawn", alphabet=(0, 1))
    assert iid_reference_bits(packet, drawn) == 64


def test_float32_values_are_four_bytes_of_which_each_counts_alone():
    constant = Packet(layout(64), values=np.full(64, 0.1, dtype=np.float32))
    assert iid_reference_bits(constant, Form()) == 0
    noise = torch.randn(4096, generator=torch.Generator().manual_seed(0)).numpy()
    bits = iid_reference_bits(Packet(layout(4096), values=noise), Form())
    assert 20 * 4096 < bits < 32 * 4096


@pytest.mark.parametrize("sizes", [(), (0,), (0, 3)])
def test_empty_tensors_cost_nothing(sizes):
    packet = Packet(layout(*sizes), symbols=np.zeros(sum(sizes), dtype=np.int16))
    assert iid_reference_bits(packet, Form(alphabet=(0, 1))) == 0
