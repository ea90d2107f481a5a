import numpy as np
import pytest
import torch

from fedplat.codecs.error_feedback import ErrorFeedback
from fedplat.codecs.low_rank import LowRank
from fedplat.codecs.packet import Form, Packet
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout
from fedplat.types import TensorSpec

LAYOUT = Layout.of(
    [
        TensorSpec("bias", torch.float32, (7,)),
        TensorSpec("conv", torch.float32, (6, 2, 3, 3)),
        TensorSpec("empty", torch.float32, (0, 5)),
        TensorSpec("scalar", torch.float32, ()),
        TensorSpec("small", torch.float32, (2, 2)),
        TensorSpec("weight", torch.float32, (20, 30)),
    ]
)
LARGEST = float(np.finfo(np.float32).max)


def matrix(m, n):
    return Layout.of([TensorSpec("w", torch.float32, (m, n))])


def normal(dim, seed=0):
    return np.random.default_rng(seed).standard_normal(dim).astype(np.float32)


def of_rank(rank, m=20, n=30, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))).astype(np.float32)


def sent(stage, values, layout, memory=None):
    memory = stage.memory(layout) if memory is None else memory
    return stage.forward(Packet(layout, values=values.reshape(-1)), memory, 0)


def decoded(stage, values, layout, memory=None):
    return stage.backward(sent(stage, values, layout, memory)[0], layout).dense()


def plain_power_sgd(m, q, rank):
    """Vogels et al. 2019, Algorithm 1, one client, with NumPy's QR as Gram–Schmidt."""
    p = np.linalg.qr(m.astype(np.float64) @ q)[0][:, :rank]
    return p @ (m.astype(np.float64).T @ p).T


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_an_update_comes_back_as_power_sgd_gives_it(rank):
    x, stage = normal(600).reshape(20, 30), LowRank(rank)
    q = stage.memory(matrix(20, 30))["right"].reshape(rank, 30).T
    back = decoded(stage, x, matrix(20, 30)).reshape(20, 30)
    np.testing.assert_allclose(back, plain_power_sgd(x, q, rank), atol=1e-5)
    assert np.linalg.matrix_rank(back, tol=1e-3) == rank


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_a_matrix_of_that_rank_comes_back(rank):
    x = of_rank(rank)
    np.testing.assert_allclose(decoded(LowRank(rank), x, matrix(20, 30)), x.reshape(-1), atol=1e-5)


def test_a_matrix_of_a_higher_rank_does_not_come_back_whole():
    x = of_rank(5)
    assert np.linalg.norm(decoded(LowRank(4), x, matrix(20, 30)) - x.reshape(-1)) > 1


def test_a_warm_start_finds_the_best_approximation_in_a_few_rounds():
    x, stage, layout = normal(600).reshape(20, 30), LowRank(2), matrix(20, 30)
    singular = np.linalg.svd(x, compute_uv=False)
    memory, errors = stage.memory(layout), []
    for _ in range(60):
        errors.append(float(np.linalg.norm(decoded(stage, x, layout, memory) - x.reshape(-1))))
        _, memory = sent(stage, x, layout, memory)
    assert errors[0] > 1.02 * np.linalg.norm(singular[2:])
    assert errors[-1] < 1.005 * np.linalg.norm(singular[2:])


def test_tensors_that_are_no_matrices_or_too_small_travel_as_they_are():
    x, stage = normal(LAYOUT.dim), LowRank(2)
    packet, _ = sent(stage, x, LAYOUT)
    assert packet.layout == stage.reshaped(LAYOUT)
    assert packet.layout.dim == len(packet.numbers) == 7 + 2 * (6 + 18) + 1 + 4 + 2 * (20 + 30)
    back, spans = stage.backward(packet, LAYOUT).dense(), LAYOUT.spans()
    for name in ("bias", "scalar", "small"):
        np.testing.assert_array_equal(back[spans[name]], x[spans[name]])
    assert (back[spans["conv"]] != x[spans["conv"]]).any()


def test_where_nothing_pays_everything_comes_back_bit_by_bit():
    x = normal(LAYOUT.dim)
    np.testing.assert_array_equal(decoded(LowRank(64), x, LAYOUT), x)


def test_it_never_enlarges_an_update():
    for seed in range(20):
        x = normal(600, seed) ** 5
        assert np.linalg.norm(decoded(LowRank(1), x, matrix(20, 30))) < np.linalg.norm(x) * 1.00001


def test_an_update_of_zeros_comes_back_and_does_not_stop_the_iteration():
    stage, layout = LowRank(2), matrix(20, 30)
    packet, memory = sent(stage, np.zeros(600, np.float32), layout)
    assert not packet.numbers.any()
    np.testing.assert_array_equal(memory["right"], stage.memory(layout)["right"])
    np.testing.assert_allclose(
        decoded(stage, of_rank(2), layout, memory), of_rank(2).reshape(-1), atol=1e-5
    )


@pytest.mark.parametrize("scale", [1e-45, 1e-30, 1e30, LARGEST / 8])
def test_tiny_and_huge_numbers_come_back_finite(scale):
    x = (np.sign(normal(600)) * scale).astype(np.float32)
    assert np.isfinite(decoded(LowRank(2), x, matrix(20, 30))).all()


def test_equal_columns_are_sent_once():
    x = np.ones((20, 30), dtype=np.float32)
    packet, memory = sent(LowRank(2), x, matrix(20, 30))
    factors = packet.numbers
    assert factors[:20].any()
    assert not factors[20:40].any()
    np.testing.assert_allclose(decoded(LowRank(2), x, matrix(20, 30)), 1, rtol=1e-5)
    assert memory["right"].reshape(2, 30).any(axis=1).all()


def test_the_same_update_and_memory_give_the_same_bytes():
    x = normal(LAYOUT.dim)
    first, again = sent(LowRank(2), x, LAYOUT)[0], sent(LowRank(2), x, LAYOUT)[0]
    assert first.numbers.tobytes() == again.numbers.tobytes()


def regress(stage, steps=300):
    """Gradient descent on ½‖X − T‖² with coded steps: how far it ends from T, relatively."""
    layout, target = matrix(20, 30), normal(600)
    memory, x = stage.memory(layout), np.zeros(600)
    for _ in range(steps):
        update = (-0.1 * (x - target)).astype(np.float32)
        packet, memory = stage.forward(Packet(layout, values=update), memory, 0)
        x += stage.backward(packet, layout).dense()
    return np.linalg.norm(x - target) / np.linalg.norm(target)


def test_error_feedback_makes_rank_one_converge():
    assert regress(ErrorFeedback((LowRank(1),))) < 0.01


def test_without_error_feedback_a_frozen_basis_does_not_converge():
    class Cold(LowRank):
        """Forgets Q and starts from one direction in every round."""

        def memory(self, layout):
            return {"right": np.eye(1, 30, dtype=np.float32).reshape(-1)}

        def forward(self, packet, memory, seed):
            coded, _ = super().forward(packet, self.memory(packet.layout), seed)
            return coded, memory

    assert regress(Cold(1)) > 0.9


@pytest.mark.parametrize(
    "change", [lambda v: v[:-1], lambda v: np.append(v, 0), lambda v: v * np.nan]
)
def test_packets_of_strangers_are_refused(change):
    packet, _ = sent(LowRank(1), normal(600), matrix(20, 30))
    values = change(packet.numbers).astype(np.float32)
    with pytest.raises(CorruptPayloadError):
        LowRank(1).backward(Packet(packet.layout, values=values), matrix(20, 30))


def test_what_has_no_meaning_is_refused_when_built():
    with pytest.raises(ValueError, match="rank must be a whole number"):
        LowRank(0)
    with pytest.raises(ValueError, match="not sparse"):
        LowRank(1).form(Form(where="some"))
