import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedplat.codecs.kernels import counter
from fedplat.codecs.packet import Form, Packet
from fedplat.codecs.rand_k import RandK
from fedplat.codecs.top_k import TopK
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout
from fedplat.types import TensorSpec

Z = 4.9  # a standard normal number exceeds this, either way, with a chance below 1e-6
MASK = (1 << 64) - 1


def layout(dim):
    return Layout.of([TensorSpec("w", torch.float32, (dim,))])


def sent(stage, values, seed=7):
    values = np.asarray(values, dtype=np.float32)
    return stage.forward(Packet(layout(len(values)), values=values), {}, seed)[0]


def decoded(stage, values, seed=7):
    return stage.backward(sent(stage, values, seed), layout(len(values))).dense()


def plain_word(key, index):
    z = (key + 0x9E3779B97F4A7C15 * (index + 1)) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def plainly_chosen(key, k, n):
    found = []
    for i in range(n):
        if plain_word(key, i) * (n - i) >> 64 < k - len(found):
            found.append(i)
    return found


def test_words_are_those_that_splitmix_was_published_with():
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert counter.words(1234567, 3).tolist() == published


@given(st.integers(0, MASK), st.data())
def test_positions_are_those_of_the_plain_loop(key, data):
    n = data.draw(st.integers(0, 200))
    k = data.draw(st.integers(0, n))
    positions = counter.chosen(key, k, n).tolist()
    assert positions == plainly_chosen(key, k, n)
    assert len(positions) == k
    assert positions == sorted(set(positions))


def test_every_set_of_positions_is_as_likely_as_any_other():
    draws, sets = 10_000, {}
    for seed in range(draws):
        drawn = tuple(counter.chosen(seed, 2, 5).tolist())
        sets[drawn] = sets.get(drawn, 0) + 1
    expected = draws / 10
    chi2 = sum((count - expected) ** 2 / expected for count in sets.values())
    assert len(sets) == 10
    assert chi2 < 45  # nine degrees of freedom: false alarm below 1e-6


@pytest.mark.parametrize(("k", "n"), [(-1, 3), (4, 3), (1, 1 << 32)])
def test_sets_that_do_not_exist_are_refused(k, n):
    with pytest.raises(ValueError, match="0 <= k <= n"):
        counter.chosen(1, k, n)


def test_scaled_values_come_back_unbiased():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(40).astype(np.float32)
    draws = np.array([decoded(RandK(0.25), x, seed) for seed in range(2000)], dtype=np.float64)
    z = (draws.mean(axis=0) - x) / (draws.std(axis=0) / np.sqrt(len(draws)))
    assert np.abs(z).max() < Z + 1  # the largest of 40
    nmse = ((draws - x) ** 2).sum(axis=1).mean() / (x.astype(np.float64) ** 2).sum()
    assert nmse == pytest.approx(3, rel=0.05)  # n/k − 1


def test_without_the_scale_the_expectation_is_a_quarter_and_the_error_smaller():
    x = np.random.default_rng(0).standard_normal(40).astype(np.float32)
    draws = np.array([decoded(RandK(0.25, scaled=False), x, s) for s in range(1000)])
    assert draws.mean(axis=0) @ x / (x @ x) == pytest.approx(0.25, rel=0.05)
    nmse = ((draws - x) ** 2).sum(axis=1).mean() / (x @ x)
    assert nmse == pytest.approx(0.75, rel=0.05)
    assert not RandK(0.25, scaled=False).traits.unbiased


def test_kept_values_are_exact_without_the_scale_and_only_they_travel():
    x = np.random.default_rng(1).standard_normal(1000).astype(np.float32)
    stage = RandK(0.01, scaled=False)
    packet = sent(stage, x)
    assert packet.positions is None
    assert len(packet.numbers) == packet.layout.dim == 10
    assert len(packet.side) == 8
    back = stage.backward(packet, layout(1000))
    np.testing.assert_array_equal(back.numbers, x[back.positions])


def test_everything_is_kept_at_ratio_one():
    x = np.random.default_rng(2).standard_normal(77).astype(np.float32)
    np.testing.assert_array_equal(decoded(RandK(1.0), x), x)


@pytest.mark.parametrize("dim", [0, 1, 2, 3])
def test_the_smallest_vectors_come_back_in_their_length(dim):
    assert len(decoded(RandK(0.001), np.ones(dim))) == dim


def test_what_the_scale_takes_beyond_float32_stays_finite():
    largest = np.finfo(np.float32).max
    out = decoded(RandK(0.1), np.full(100, -largest))
    assert set(out.tolist()) == {0.0, float(-largest)}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    x = np.arange(1000)
    first, again, other = (sent(RandK(0.1), x, seed) for seed in (1, 1, 2))
    assert first.numbers.tobytes() == again.numbers.tobytes()
    assert bytes(first.side) == bytes(again.side)
    assert first.numbers.tobytes() != other.numbers.tobytes()


def test_a_reader_may_leave_zeros_out():
    stage = RandK(0.5, scaled=False)
    packet = sent(stage, np.arange(20.0) % 3)
    there = np.flatnonzero(packet.numbers)
    thinned = Packet(packet.layout, packet.numbers[there], None, there, packet.side)
    dense = stage.backward(packet, layout(20)).dense()
    np.testing.assert_array_equal(stage.backward(thinned, layout(20)).dense(), dense)


@pytest.mark.parametrize("count", [0, 9, 11])
def test_another_number_of_values_than_drawn_is_refused(count):
    packet = sent(RandK(0.1), np.ones(100))
    wrong = Packet(packet.layout, np.ones(count, np.float32), None, None, packet.side)
    with pytest.raises(CorruptPayloadError, match="draws 10 positions"):
        RandK(0.1).backward(wrong, layout(100))


def test_a_frame_without_the_seed_is_refused():
    packet = sent(RandK(0.1), np.ones(100))
    with pytest.raises(CorruptPayloadError):
        RandK(0.1).backward(Packet(packet.layout, packet.numbers, side=b"1234567"), layout(100))


@pytest.mark.parametrize("ratio", [0.0, -0.1, 1.1, float("nan")])
def test_ratios_outside_of_the_unit_interval_are_refused(ratio):
    with pytest.raises(ValueError, match="ratio"):
        RandK(ratio)


def test_only_all_values_of_an_update_are_drawn_from():
    with pytest.raises(ValueError, match="not sparse"):
        RandK(0.1).form(TopK(0.1).form(Form()))
    assert RandK(0.1).form(Form()).where == "drawn"
