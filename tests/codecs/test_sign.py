import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fedplat.codecs.error_feedback import ErrorFeedback
from fedplat.codecs.packet import Form, Packet
from fedplat.codecs.rand_k import RandK
from fedplat.codecs.sign import Sign
from fedplat.codecs.top_k import TopK
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout
from fedplat.types import TensorSpec

LAYOUT = Layout.of(
    [
        TensorSpec("a", torch.float32, (2, 3)),
        TensorSpec("b", torch.float32, ()),
        TensorSpec("empty", torch.float32, (0, 2)),
        TensorSpec("w", torch.float32, (4,)),
    ]
)
X = np.array([1, -2, 3, 0, -4, 0, 7, 0.5, 0.25, 0, -1], dtype=np.float32)
FLOATS = st.floats(-(2.0**127), 2.0**127, width=32)


def flat(dim):
    return Layout.of([TensorSpec("w", torch.float32, (dim,))])


def decoded(stage, values, layout=LAYOUT):
    packet = Packet(layout, values=np.asarray(values, dtype=np.float32))
    return stage.backward(stage.forward(packet, {}, 0)[0], layout).dense()


def test_each_tensor_has_the_mean_magnitude_of_what_is_not_0_in_it():
    expected = [2.5, -2.5, 2.5, 0, -2.5, 0, 7, 7 / 12, 7 / 12, 0, -7 / 12]
    np.testing.assert_allclose(decoded(Sign(), X), expected, rtol=1e-6)


def test_one_mean_may_stand_for_all_tensors():
    mean = np.abs(X).sum() / 8
    np.testing.assert_allclose(decoded(Sign(scope="global"), X), np.sign(X) * mean, rtol=1e-6)


def test_without_a_scale_the_signs_alone_come_back_and_nothing_stands_on_the_side():
    packet, _ = Sign(scale="one").forward(Packet(LAYOUT, values=X), {}, 0)
    assert not packet.side
    np.testing.assert_array_equal(decoded(Sign(scale="one"), X), np.sign(X))


@given(arrays(np.float32, LAYOUT.dim, elements=FLOATS))
def test_the_error_is_what_the_theory_says(x):
    wide = x.astype(np.float64)
    lost = ((decoded(Sign(scope="global"), x) - wide) ** 2).sum()
    m = max(1, np.count_nonzero(x))
    expected = (wide**2).sum() - np.abs(wide).sum() ** 2 / m
    assert lost == pytest.approx(expected, rel=1e-5, abs=1e-6 * (wide**2).sum() + 1e-80)


def plain_stc(x, k):
    """Sattler et al. 2019, Algorithm 1, line by line."""
    v = sorted(map(abs, x.tolist()))[-k]
    mask = np.abs(x) >= v
    masked = mask * x
    mu = np.abs(masked).sum(dtype=np.float64) / k
    return (mu * np.sign(masked)).astype(np.float32)


def test_behind_top_k_it_is_sparse_ternary_compression():
    x = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    top, sign = TopK(0.05), Sign(scope="global")
    packet, _ = top.forward(Packet(flat(1000), values=x), {}, 0)
    packet, _ = sign.forward(packet, {}, 0)
    assert set(packet.letters.tolist()) == {-1, 1}
    back = sign.backward(packet, flat(1000))
    assert len(back.positions) == 50
    np.testing.assert_allclose(back.dense(), plain_stc(x, 50), rtol=1e-6)


def test_sparse_values_of_a_tensor_share_that_tensors_scale():
    packet = Packet(LAYOUT, X[[0, 2, 5, 6, 10]], positions=np.array([0, 2, 5, 6, 10]))
    coded, _ = Sign().forward(packet, {}, 0)
    assert coded.positions.tolist() == [0, 2, 6, 10]  # a kept 0 need not travel
    expected = np.zeros(11)
    expected[[0, 2, 6, 10]] = 2, 2, 7, -1
    np.testing.assert_array_equal(Sign().backward(coded, LAYOUT).dense(), expected)


def test_drawn_values_keep_their_zeros_and_their_count():
    draw = RandK(1.0)
    drawn, _ = draw.forward(Packet(LAYOUT, values=X), {}, 1)
    coded, _ = Sign().forward(drawn, {}, 0)
    back = draw.backward(Sign().backward(coded, drawn.layout), LAYOUT)
    np.testing.assert_array_equal(np.sign(back.dense()), np.sign(X))


def test_a_reader_may_leave_zeros_out():
    coded, _ = Sign().forward(Packet(LAYOUT, values=X), {}, 0)
    there = np.flatnonzero(coded.letters)
    thinned = Packet(LAYOUT, None, coded.letters[there], there, coded.side)
    np.testing.assert_array_equal(Sign().backward(thinned, LAYOUT).dense(), decoded(Sign(), X))


@pytest.mark.parametrize("x", [np.zeros(0), np.zeros(3), np.full(5, 3e38), [-1e-45], [-0.0, 2]])
def test_flat_updates_come_back_as_they_are(x):
    np.testing.assert_allclose(decoded(Sign(), x, flat(len(x))), np.float32(x), rtol=1e-6)


# Karimireddy et al. 2019, §3, the counterexample that is not smooth: f(x) = ε|x₁ + x₂| + |x₁ − x₂|.
# Every sign of a gradient is ±(1, −1), so by signs alone x₁ + x₂ stays what it is at the start.


def minimise(stage, start, steps=1000, eps=0.5):
    layout, memory = flat(2), stage.memory(flat(2)) if hasattr(stage, "memory") else {}
    x = np.array(start, dtype=np.float64)
    for step in range(1, steps + 1):
        gradient = np.sign(x.sum()) * eps * np.ones(2)
        gradient += np.sign(x[0] - x[1]) * np.array([1.0, -1.0])
        update = (-0.5 / np.sqrt(step) * gradient).astype(np.float32)
        packet, memory = stage.forward(Packet(layout, values=update), memory, 0)
        x += stage.backward(packet, layout).dense()
    return eps * abs(x.sum()) + abs(x[0] - x[1])


@pytest.mark.parametrize("scale", ["mean", "one"])
def test_signs_alone_never_come_near_the_minimum_of_the_counterexample(scale):
    assert minimise(Sign(scale=scale), (1.1, 0.9)) >= 0.99


def test_error_feedback_makes_signs_converge_there():
    assert minimise(ErrorFeedback((Sign(),)), (1.1, 0.9)) < 0.1


@pytest.mark.parametrize("count", [0, 10, 12])
def test_another_number_of_signs_is_refused(count):
    coded, _ = Sign().forward(Packet(LAYOUT, values=X), {}, 0)
    wrong = Packet(LAYOUT, symbols=np.ones(count, np.int16), side=coded.side)
    with pytest.raises(CorruptPayloadError, match="11 signs expected"):
        Sign().backward(wrong, LAYOUT)


@pytest.mark.parametrize("side", [b"", bytes(15), b"\xff" * 16])
def test_missing_scales_and_scales_that_are_not_finite_are_refused(side):
    packet = Packet(LAYOUT, symbols=np.ones(11, np.int16), side=side)
    with pytest.raises(CorruptPayloadError):
        Sign().backward(packet, LAYOUT)


def test_what_has_no_meaning_is_refused_when_built():
    with pytest.raises(ValueError, match="scale must be one of mean, one"):
        Sign(scale="max")
    with pytest.raises(ValueError, match="scope must be one of tensor, global"):
        Sign(scope="layer")
    with pytest.raises(ValueError, match="not symbols"):
        Sign().form(Sign().form(Form()))
