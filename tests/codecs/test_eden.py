import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedplat.codecs.eden import LARGEST_BLOCK, Eden, block_sizes
from fedplat.codecs.kernels import counter, hadamard, levels
from fedplat.codecs.lloyd_max import MAGNITUDES
from fedplat.codecs.packet import Form, Packet
from fedplat.codecs.rand_k import RandK
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout
from fedplat.types import TensorSpec

Z = 4.9  # a standard normal number exceeds this, either way, with a chance below 1e-6
UNBIASED = {1: math.pi / 2 - 1, 2: 0.13312, 3: 0.035784, 4: 0.0095921, 6: 6.4465e-4, 8: 4.1187e-5}


def layout(dim):
    return Layout.of([TensorSpec("w", torch.float32, (dim,))])


def sent(stage, values, seed=7):
    values = np.asarray(values, dtype=np.float32)
    return stage.forward(Packet(layout(len(values)), values=values), {}, seed)[0]


def decoded(stage, values, seed=7):
    return stage.backward(sent(stage, values, seed), layout(len(values))).dense()


def error(stage, values, seed=7):
    x = np.asarray(values, dtype=np.float64)
    return ((decoded(stage, values, seed) - x) ** 2).sum() / (x**2).sum()


def normal(dim, seed=0):
    return np.random.default_rng(seed).standard_normal(dim).astype(np.float32)


def plain_rotation(x, key):
    """The definition: a matrix of ±1/√n, H[i, j] = (-1)^popcount(i & j), times the signs."""
    n = len(x)
    words = counter.words(key, n // 64 + 1).tolist()
    signs = np.array([1 - 2 * (words[i // 64] >> (i % 64) & 1) for i in range(n)])
    matrix = np.array([[(-1) ** (i & j).bit_count() for j in range(n)] for i in range(n)])
    return matrix @ (signs * x.astype(np.float64)) / np.sqrt(n)


@pytest.mark.parametrize("bits", MAGNITUDES)
def test_each_level_is_the_mean_of_the_normal_numbers_that_are_nearest_to_it(bits):
    levels_up = np.array(MAGNITUDES[bits])
    bounds = [0.0, *(levels_up[1:] + levels_up[:-1]) / 2, math.inf]
    for level, low, high in zip(levels_up, bounds[:-1], bounds[1:], strict=True):
        density = (math.exp(-low * low / 2) - math.exp(-high * high / 2)) / math.sqrt(2 * math.pi)
        chance = (math.erfc(low / math.sqrt(2)) - math.erfc(high / math.sqrt(2))) / 2
        assert level == pytest.approx(density / chance, abs=2e-7)
    assert len(levels_up) == 2 ** (bits - 1)


@pytest.mark.parametrize("n", [1, 2, 4, 8, 16, 32, 64, 256])
def test_the_fast_rotation_is_the_matrix_product(n):
    x, rotated = normal(n), normal(n)
    hadamard.rotate(rotated, key=2**63 + 5)
    np.testing.assert_allclose(rotated, plain_rotation(x, 2**63 + 5), atol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 8, 4096, LARGEST_BLOCK])
def test_a_rotation_keeps_the_length_and_is_undone(n):
    x, rotated = normal(n), normal(n)
    hadamard.rotate(rotated, key=3)
    assert np.linalg.norm(rotated) == pytest.approx(np.linalg.norm(x), rel=1e-5)
    hadamard.rotate_back(rotated, key=3)
    np.testing.assert_allclose(rotated, x, atol=1e-5)


@pytest.mark.parametrize("bits", MAGNITUDES)
def test_the_table_finds_the_nearest_level(bits):
    magnitudes = np.array(MAGNITUDES[bits], dtype=np.float32)
    bounds = (magnitudes[1:] + magnitudes[:-1]) / np.float32(2)
    edge = np.nextafter(bounds, np.float32(9))
    x = np.concatenate([normal(5000), bounds, edge, -edge, [0, 1e-45, 300, -1e30]])
    x = x.astype(np.float32)
    symbols = np.empty(len(x), dtype=np.int16)
    dot, square = levels.nearest(x, magnitudes, symbols)
    expected = np.searchsorted(bounds, np.abs(x), side="left")
    np.testing.assert_array_equal(symbols, 2 * expected + (x < 0))
    back = np.empty_like(x)
    levels.restore(symbols, magnitudes, back)
    assert dot == pytest.approx(float(x.astype(np.float64) @ back), rel=1e-12)
    assert square == pytest.approx(float((back.astype(np.float64) ** 2).sum()), rel=1e-12)
    assert np.diff(bounds).min(initial=1) > 1 / levels.CELLS


@given(st.integers(0, 10_000_000))
def test_blocks_are_powers_of_two_and_hold_at_most_255_zeros(count):
    sizes = block_sizes(count)
    assert all(size.bit_count() == 1 and size <= LARGEST_BLOCK for size in sizes)
    assert sizes == sorted(sizes, reverse=True)
    assert count <= sum(sizes) < count + 256


@pytest.mark.parametrize("bits", UNBIASED)
def test_the_error_is_what_the_theory_says(bits):
    errors = [error(Eden(bits), normal(1 << 16, seed), seed) for seed in range(3)]
    assert np.mean(errors) == pytest.approx(UNBIASED[bits], rel=0.02)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_the_biased_scale_has_the_smaller_error_that_the_theory_says(bits):
    errors = [error(Eden(bits, biased=True), normal(1 << 16, seed), seed) for seed in range(3)]
    assert np.mean(errors) == pytest.approx(UNBIASED[bits] / (1 + UNBIASED[bits]), rel=0.02)
    assert Eden(bits).traits.unbiased
    assert not Eden(bits, biased=True).traits.unbiased


def heavy(dim):
    """An update of which one value is a thousand times as large as the others."""
    x = normal(dim) * np.float32(0.01)
    x[3] = 10
    return x


def beside_the_spike(stage, dim, draws):
    """How much of the small values comes back on average (1: all), and its standard error."""
    x = heavy(dim).astype(np.float64)
    x[3] = 0
    found = [decoded(stage, heavy(dim), seed).astype(np.float64) @ x for seed in range(draws)]
    return np.mean(found) / (x @ x), np.std(found) / (x @ x) / np.sqrt(draws)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_the_expectation_is_the_update_also_where_one_value_is_large(bits):
    share, off = beside_the_spike(Eden(bits), dim=8000, draws=200)
    assert abs(share - 1) < Z * off
    assert off < 0.02


def test_one_rotation_loses_the_small_values_beside_a_large_one():
    share, off = beside_the_spike(Eden(1, rotations=1), dim=8000, draws=50)
    assert share + Z * off < 0.5


def test_each_value_is_unbiased():
    x = normal(300)
    draws = np.array([decoded(Eden(1), x, seed) for seed in range(1000)], dtype=np.float64)
    z = (draws.mean(axis=0) - x) / (draws.std(axis=0) / np.sqrt(len(draws)))
    assert np.abs(z).max() < Z + 1  # the largest of 300
    assert (z**2).mean() == pytest.approx(1, abs=0.4)


def test_the_biased_scale_fails_that_test():
    x = normal(300)
    draws = np.array([decoded(Eden(1, biased=True), x, seed) for seed in range(500)])
    assert draws.mean(axis=0) @ x / (x @ x) == pytest.approx(2 / math.pi, abs=0.1)


@pytest.mark.parametrize("bits", [1, 3, 8])
@pytest.mark.parametrize(
    "x", [[], [0.0], [-3.0], [1.0, 2.0], [0.0] * 700, [1e-45] * 5, [2.5] * 999]
)
def test_the_smallest_and_the_flattest_updates_come_back(bits, x):
    out = decoded(Eden(bits), x)
    assert out.shape == (len(x),)
    assert np.isfinite(out).all()
    if len(x) <= 1 or not any(x):
        np.testing.assert_allclose(out, np.asarray(x, dtype=np.float32), rtol=1e-6)


def test_the_largest_numbers_come_back_finite():
    x = np.full(1000, np.finfo(np.float32).max)
    assert np.isfinite(decoded(Eden(1), x)).all()
    assert error(Eden(8), x / 4) < 1e-4


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        sent(Eden(1), [1.0, bad])


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    x = normal(70_000)
    first, again, other = (sent(Eden(2), x, seed) for seed in (1, 1, 2))
    assert first.letters.tobytes() == again.letters.tobytes()
    assert bytes(first.side) == bytes(again.side)
    assert first.letters.tobytes() != other.letters.tobytes()


def test_the_bits_are_those_of_every_machine():
    symbols = sent(Eden(2), np.arange(64, dtype=np.float32) - 20, seed=5).letters
    assert (
        "".join(map(str, symbols))
        == "0121101110230002111111233113022211313130231111030110320020031120"
    )


def test_the_side_has_a_scale_for_each_block_and_a_seed():
    packet = sent(Eden(1), normal(70_000))
    assert len(packet.side) == 4 * 3 + 8
    assert packet.layout.dim == len(packet.letters) == 65536 + 4096 + 512
    assert Eden(1).reshaped(layout(70_000)) == packet.layout


def test_the_commonest_symbol_is_nought():
    counts = np.bincount(sent(Eden(4), normal(1 << 16)).letters, minlength=16)
    assert counts[::2].tolist() == sorted(counts[::2], reverse=True)
    assert counts.argmax() in (0, 1)


def test_drawn_values_are_rotated_and_stay_unbiased():
    x, draw, stage = normal(2000), RandK(0.5), Eden(4)
    total = np.zeros(2000)
    for seed in range(200):
        drawn = draw.forward(Packet(layout(2000), values=x), {}, seed)[0]
        packet = stage.forward(drawn, {}, seed + 1000)[0]
        back = stage.backward(packet, draw.reshaped(layout(2000)))
        total += draw.backward(back, layout(2000)).dense()
    assert total @ x / 200 / (x @ x) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("symbols", "side"),
    [
        (np.zeros(255, np.int16), bytes(12)),
        (np.zeros(257, np.int16), bytes(12)),
        (np.full(256, 4, np.int16), bytes(12)),
        (np.full(256, -1, np.int16), bytes(12)),
        (np.zeros(256, np.int16), bytes(11)),
        (np.zeros(256, np.int16), b"\xff" * 12),
    ],
    ids=["too few", "too many", "beyond", "negative", "no scale", "NaN"],
)
def test_packets_of_strangers_are_refused(symbols, side):
    packet = Packet(Eden(2).reshaped(layout(256)), symbols=symbols, side=side)
    with pytest.raises(CorruptPayloadError):
        Eden(2).backward(packet, layout(256))


@pytest.mark.parametrize("kwargs", [{"bits": 0}, {"bits": 9}, {"bits": 1, "rotations": 0}])
def test_settings_without_a_meaning_are_refused(kwargs):
    with pytest.raises(ValueError, match="must be"):
        Eden(**kwargs)


def test_sparse_packets_and_symbols_are_refused_when_built():
    with pytest.raises(ValueError, match="not sparse"):
        Eden(1).form(Form(where="some"))
    with pytest.raises(ValueError, match="not symbols"):
        Eden(1).form(Eden(1).form(Form()))
    assert Eden(3).form(Form()).alphabet == (0, 7)
