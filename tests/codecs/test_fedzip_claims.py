"""The bits that FedZip's program would count."""

import numpy as np
import pytest

from fedplat.codecs.fedzip_claims import claimed_bits

SYMBOLS = np.array([0, 1, 0, 0, 2, 0, 1, 0, 0, 0], dtype=np.int16)
EDGES = np.array([0, 10])


def test_huffman_counts_two_bits_for_the_smallest_cluster_and_one_for_the_others():
    assert claimed_bits(SYMBOLS, EDGES, "huffman") == 2 * 1 + 2 + 7


def test_addresses_count_27_bits_for_all_but_the_largest_cluster():
    assert claimed_bits(SYMBOLS, EDGES, "addresses") == 27 * 3


def test_differences_count_their_bit_lengths_and_no_more():
    # cluster 1 stands at 1 and 6: differences 1 (1 bit) and 5 (3 bits); cluster 2 at 4: 3 bits
    assert claimed_bits(SYMBOLS, EDGES, "differences") == 1 + 3 + 3


def test_every_tensor_counts_for_itself():
    twice = np.concatenate([SYMBOLS, SYMBOLS])
    edges = np.array([0, 10, 10, 20])  # one of them is empty
    for encoding in ("huffman", "addresses", "differences"):
        alone = claimed_bits(SYMBOLS, EDGES, encoding)
        assert claimed_bits(twice, edges, encoding) == 2 * alone


@pytest.mark.parametrize("encoding", ["huffman", "addresses", "differences"])
def test_tensors_of_one_cluster_and_of_nothing_are_counted(encoding):
    nothing = np.empty(0, dtype=np.int16)
    assert claimed_bits(nothing, np.array([0]), encoding) == 0
    same = np.zeros(5, dtype=np.int16)
    assert claimed_bits(same, np.array([0, 5]), encoding) == (5 if encoding == "huffman" else 0)


def test_an_address_of_0_counts_one_bit_and_powers_of_two_one_more():
    at = np.zeros(40, dtype=np.int16)
    at[[0, 1, 3, 7, 15, 31]] = 1  # differences 0, 1, 2, 4, 8, 16
    assert claimed_bits(at, np.array([0, 40]), "differences") == 1 + 1 + 2 + 3 + 4 + 5


def test_what_the_program_does_not_define_is_refused():
    with pytest.raises(ValueError, match="3 clusters"):
        claimed_bits(np.arange(4, dtype=np.int16), np.array([0, 4]), "huffman")


def test_more_is_claimed_than_can_be_decoded():
    draw = np.random.default_rng(0)
    there = draw.random(100_000) < 0.02
    symbols = (there * draw.integers(1, 3, 100_000)).astype(np.int16)
    share = np.unique(symbols, return_counts=True)[1] / 100_000
    entropy = -100_000 * float(share @ np.log2(share))
    assert claimed_bits(symbols, np.array([0, 100_000]), "differences") < 0.9 * entropy
