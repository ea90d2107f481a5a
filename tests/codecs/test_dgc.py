import numpy as np
import pytest
import torch

from fedplat.codecs.dgc import MomentumCorrection
from fedplat.codecs.error_feedback import ErrorFeedback
from fedplat.codecs.packet import Form, Packet
from fedplat.codecs.sign import Sign
from fedplat.codecs.top_k import TopK
from fedplat.params import Layout
from fedplat.types import TensorSpec

DIM = 50
LAYOUT = Layout.of([TensorSpec("w", torch.float32, (DIM,))])


def updates(count, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(DIM).astype(np.float32) for _ in range(count)]


def run(stage, given):
    """The decoded updates of some rounds, and the memory after them."""
    memory, decoded = stage.memory(LAYOUT), []
    for update in given:
        packet, memory = stage.forward(Packet(LAYOUT, values=update), memory, 0)
        decoded.append(stage.backward(packet, LAYOUT).dense())
    return decoded, memory


def plain_dgc(given, k, m):
    """Lin et al. 2018, §3, vanilla momentum, line by line, with loops over values."""
    u, v, sent = [0.0] * DIM, [0.0] * DIM, []
    for g in given:
        u = [m * a + float(b) for a, b in zip(u, g, strict=True)]
        v = [a + b for a, b in zip(v, u, strict=True)]
        largest = sorted(range(DIM), key=lambda i: -abs(v[i]))[:k]
        sent.append([v[i] if i in largest else 0.0 for i in range(DIM)])
        u = [0.0 if i in largest else u[i] for i in range(DIM)]
        v = [0.0 if i in largest else v[i] for i in range(DIM)]
    return sent


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_what_is_sent_is_what_the_papers_algorithm_sends(momentum):
    stage = MomentumCorrection((TopK(0.1),), momentum=momentum, warmup_rounds=0)
    decoded, _ = run(stage, updates(20))
    np.testing.assert_allclose(decoded, plain_dgc(updates(20), 5, momentum), atol=1e-5)


def test_without_momentum_what_was_not_sent_is_still_there():
    stage = MomentumCorrection((TopK(0.1),), momentum=0.0, warmup_rounds=0)
    decoded, memory = run(stage, updates(20))
    total = np.sum(updates(20), axis=0, dtype=np.float64)
    np.testing.assert_allclose(np.sum(decoded, axis=0) + memory["pending"], total, atol=1e-5)


def test_without_momentum_it_is_error_feedback():
    decoded, _ = run(MomentumCorrection((TopK(0.1),), momentum=0.0, warmup_rounds=0), updates(9))
    expected, _ = run(ErrorFeedback((TopK(0.1),)), updates(9))
    np.testing.assert_allclose(decoded, expected, atol=1e-6)


def test_where_everything_is_sent_momentum_begins_anew():
    stage = MomentumCorrection((TopK(1.0),), momentum=0.5)
    decoded, memory = run(stage, [np.ones(DIM, np.float32)] * 3)
    np.testing.assert_array_equal(decoded, np.ones((3, DIM)))
    assert not memory["momentum"].any()


def test_the_warm_up_sends_a_quarter_of_the_round_before():
    stage = MomentumCorrection((TopK(0.001),), warmup_rounds=4)
    layout = Layout.of([TensorSpec("w", torch.float32, (10_000,))])
    memory, counts = stage.memory(layout), []
    for seed in range(6):
        x = np.random.default_rng(seed).standard_normal(10_000).astype(np.float32)
        packet, memory = stage.forward(Packet(layout, values=x), memory, 0)
        counts.append(len(packet.numbers))
    assert counts == [2500, 625, 156, 39, 10, 10]


def test_a_round_that_was_not_acknowledged_is_not_counted():
    stage = MomentumCorrection((TopK(0.02),))
    memory = stage.memory(LAYOUT)
    first, _ = stage.forward(Packet(LAYOUT, values=updates(1)[0]), memory, 0)
    again, _ = stage.forward(Packet(LAYOUT, values=updates(1)[0]), memory, 0)
    np.testing.assert_array_equal(first.positions, again.positions)
    assert not any(value.any() for value in memory.values())


def test_a_frozen_direction_grows_by_momentum_until_it_is_sent():
    stage = MomentumCorrection((TopK(0.02),), momentum=0.5, warmup_rounds=0)
    x = np.full(DIM, 1e-3, np.float32)
    x[0] = 1
    _, memory = run(stage, [x] * 3)
    assert memory["momentum"][1] == pytest.approx(1e-3 * (1 + 0.5 + 0.25))
    assert memory["pending"][1] == pytest.approx(1e-3 * (1 + 1.5 + 1.75))
    assert memory["momentum"][0] == memory["pending"][0] == 0


def test_what_a_quantiser_behind_top_k_loses_is_kept():
    stage = MomentumCorrection((TopK(0.1), Sign(scope="global")), momentum=0.0, warmup_rounds=0)
    decoded, memory = run(stage, updates(20))
    total = np.sum(updates(20), axis=0, dtype=np.float64)
    np.testing.assert_allclose(np.sum(decoded, axis=0) + memory["pending"], total, atol=1e-5)


def test_an_update_is_clipped_to_its_norm_and_a_shorter_one_is_left_alone():
    x = updates(1)[0]
    (cut,), _ = run(MomentumCorrection((TopK(1.0),), clip_norm=1.0), [x])
    np.testing.assert_allclose(cut, x / np.linalg.norm(x), rtol=1e-5)
    (whole,), _ = run(MomentumCorrection((TopK(1.0),), clip_norm=1e3), [x])
    np.testing.assert_array_equal(whole, x)


def test_what_piles_up_beyond_float32_stays_finite():
    stage = MomentumCorrection((TopK(0.02),), warmup_rounds=0)
    decoded, memory = run(stage, [np.full(DIM, 3e38, np.float32)] * 5)
    assert np.isfinite(decoded).all()
    assert np.isfinite(memory["pending"]).all()


def test_it_corrects_itself_and_says_so():
    stage = MomentumCorrection((TopK(0.1),))
    assert stage.traits.corrected
    assert stage.traits.stateful
    assert stage.form(Form()) == Form(where="some")
    with pytest.raises(ValueError, match="once"):
        ErrorFeedback((stage,))


@pytest.mark.parametrize(
    ("inner", "kwargs", "message"),
    [
        ((), {}, "needs top_k"),
        ((Sign(),), {}, "needs top_k"),
        ((TopK(0.1),), {"momentum": 1.0}, "momentum"),
        ((TopK(0.1),), {"clip_norm": 0.0}, "clip_norm"),
        ((TopK(0.1),), {"warmup_rounds": -1}, "warmup_rounds"),
    ],
)
def test_what_has_no_meaning_is_refused_when_built(inner, kwargs, message):
    with pytest.raises(ValueError, match=message):
        MomentumCorrection(inner, **kwargs)


def test_only_all_values_of_an_update_have_a_momentum():
    with pytest.raises(ValueError, match="not sparse"):
        MomentumCorrection((TopK(0.1),)).form(Form(where="some"))
