"""How many bytes entropy coders write, against what symbols and positions carry."""

from math import lgamma, log, log2

import constriction
import numpy as np
import pytest
from entropy_cases import Case, case, layout, same

from fedplat.codecs.entropy import build
from fedplat.codecs.entropy.huffman import code_lengths
from fedplat.codecs.entropy.letters import Packed
from fedplat.codecs.entropy.places import Golomb
from fedplat.codecs.packet import Form, Packet

N = 300_000
DIM = layout((N,))


def bits_of_positions(n: int, k: int) -> float:
    """log2 C(n, k)."""
    return (lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)) / log(2)


def by_constriction(symbols: np.ndarray) -> int:
    """The bytes of a range coder that knows the symbols' frequencies."""
    _, ranks, counts = np.unique(symbols, return_inverse=True, return_counts=True)
    model = constriction.stream.model.Categorical(counts / counts.sum(), perfect=False)
    coder = constriction.stream.queue.RangeEncoder()
    coder.encode(ranks.astype(np.int32), model)
    return coder.num_bits() // 8


@pytest.mark.parametrize(("density", "least"), [(0.001, 0.99), (0.01, 0.99), (0.1, 0.99)])
def test_golomb_codes_of_drawn_positions_are_within_1_percent(density, least):
    dim = 3_000_000 if density < 0.01 else N
    positions = np.flatnonzero(np.random.default_rng(1).random(dim) < density)
    size, bound = len(Golomb().write(positions, dim)), bits_of_positions(dim, len(positions)) / 8
    assert least * bound <= size <= 1.01 * bound


def test_clustered_positions_take_less_than_drawn_ones_by_pco_alone():
    draw = np.random.default_rng(2)
    dense, rare = np.zeros(N, dtype=np.int16), draw.random(N) < 0.001
    dense[: N // 50] = draw.random(N // 50) < 0.5
    dense |= rare
    form = Form("all", (0, 1), zeros=True)
    k = np.count_nonzero(dense)
    clustered = Packet(DIM, symbols=dense)
    shuffled = Packet(DIM, symbols=draw.permutation(dense))
    bound = bits_of_positions(N, int(k)) / 8
    assert len(build("pco").write(clustered, form)) < 0.6 * bound
    assert len(build("pco").write(shuffled, form)) >= bound


@pytest.mark.parametrize("size", [2, 3, 4, 5, 6, 7, 9, 15, 17, 100, 255, 256, 1000, 65536])
def test_packed_symbols_take_little_more_than_the_logarithm_of_their_alphabet(size):
    lowest = -(size // 2)
    symbols = np.random.default_rng(3).integers(lowest, lowest + size, 10_000).astype(np.int16)
    alphabet = (lowest, lowest + size - 1)
    packed = Packed().write(symbols, alphabet)
    assert len(packed) == Packed().size(len(symbols), alphabet)
    assert len(packed) * 8 <= 1.07 * log2(size) * len(symbols) + 8
    if size == 3:
        assert len(packed) * 8 <= 1.01 * log2(3) * len(symbols)


@pytest.mark.parametrize("count", range(0, 90))
@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7, 16, 65536])
def test_any_number_of_symbols_is_unpacked_again(count, size):
    alphabet = (-(size // 2), -(size // 2) + size - 1)
    symbols = np.random.default_rng(count).integers(alphabet[0], alphabet[1] + 1, count)
    symbols = symbols.astype(np.int16)
    packed = memoryview(Packed().write(symbols, alphabet))
    assert np.array_equal(Packed().read(packed, count, alphabet), symbols)


def test_pcodec_is_within_2_percent_of_a_range_coder_that_knows_the_frequencies():
    draw = np.random.default_rng(4)
    for scale in (0.7, 3, 20):
        symbols = np.rint(draw.standard_normal(N) * scale).clip(-127, 127).astype(np.int16)
        one = Case(Packet(DIM, symbols=symbols), Form("all", (-127, 127), zeros=True))
        payload = build("pco").write(one.packet, one.form)
        assert len(payload) <= 1.02 * by_constriction(symbols)


def test_huffman_codes_are_within_their_redundancy_of_a_range_coder():
    symbols = np.rint(np.random.default_rng(5).standard_normal(N) * 20).astype(np.int16)
    form = Form("all", (-127, 127), zeros=True)
    for name in ("huffman", "rice"):
        size = len(build(name).write(Packet(DIM, symbols=symbols), form))
        assert by_constriction(symbols) <= size <= 1.02 * by_constriction(symbols)


def test_three_clusters_take_a_bit_a_zero_and_two_for_the_others():
    one = case(Form("all", (0, 2)), DIM, 0.02)
    others = np.count_nonzero(one.packet.symbols)
    size = len(build("huffman").write(one.packet, one.form))
    assert (N + others) / 8 <= size <= (N + others) / 8 + 16


@pytest.mark.parametrize("encoding", ["addresses", "differences"])
def test_fedzips_tables_are_bytes_that_decode(encoding):
    of = layout((300, 400), (400,), (0,), (10, 40))
    one = case(Form("all", (0, 2)), of, 0.02)
    payload = build(encoding).write(one.packet, one.form)
    assert same(one, build(encoding).read(memoryview(payload), of, one.form))
    others = int(np.count_nonzero(one.packet.symbols))
    bound = bits_of_positions(of.dim, others) / 8 + others / 8
    most = (17 * others) / 8 + 32 if encoding == "addresses" else 1.05 * bound + 32
    assert bound * 0.98 < len(payload) < most


@pytest.mark.parametrize("letters", [2, 3, 17, 400, 5000, 65536])
def test_code_lengths_make_a_complete_code_of_at_most_16_bits(letters):
    counts = np.random.default_rng(letters).geometric(0.001, letters)
    lengths = code_lengths(counts).astype(np.int64)
    assert lengths.max() <= 16
    assert (1 << (16 - lengths)).sum() == 1 << 16


def test_code_lengths_are_those_of_huffmans_tree_where_16_bits_are_enough():
    counts = np.array([45, 13, 12, 16, 9, 5])  # Cormen et al., Introduction to Algorithms, §16.3
    assert code_lengths(counts).tolist() == [1, 3, 3, 3, 4, 4]


def test_code_lengths_that_would_pass_16_bits_are_limited_at_little_cost():
    fibonacci = [1, 1]
    while len(fibonacci) < 30:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    counts = np.array(fibonacci)
    lengths = code_lengths(counts).astype(np.int64)
    unlimited = np.array([29, *range(29, 0, -1)])
    assert lengths.max() == 16
    assert (1 << (16 - lengths)).sum() == 1 << 16
    assert counts @ unlimited < counts @ lengths <= 1.001 * (counts @ unlimited)


def test_auto_is_never_longer_than_the_shortest_by_more_than_its_byte():
    draw = np.random.default_rng(6)
    of = layout((60, 70))
    for form in (Form(), Form("some"), Form("all", (-1, 1), zeros=True), Form("all", (0, 15))):
        one = case(form, of, float(draw.random() * 0.3))
        sizes = [
            len(build(name).write(one.packet, one.form))
            for name in ("raw", "pco", "rice", "context")
        ]
        assert len(build("auto").write(one.packet, one.form)) == min(sizes) + 1
