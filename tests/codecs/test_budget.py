"""Rate control: never above the target, close below it, and nothing else changes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedplat import codecs
from fedplat.codecs import budget
from fedplat.codecs.budget import Budget, Search, log2, power
from fedplat.codecs.framed import Framed
from fedplat.errors import ConfigError
from fedplat.params import Layout
from fedplat.protocols import Stamp
from fedplat.types import State, TensorSpec

DIM = 40_000
LAYOUT = Layout.of(
    [TensorSpec("a", torch.float32, (300, 100)), TensorSpec("b", torch.float32, (10_000,))]
)
STAMP = Stamp(seed=7)


def update(seed, scale=1.0):
    numbers = torch.randn(DIM, generator=torch.Generator().manual_seed(seed))
    return numbers**3 * scale  # heavy tails, as updates have


TUNABLE = {
    "topk": {"name": "topk", "entropy": "raw"},
    "topk without feedback": {"name": "topk", "error_feedback": False, "entropy": "rice"},
    "stc": {"name": "stc", "entropy": "rice"},
    "ecsq": {"name": "ecsq", "entropy": "rice"},
    "ecsq without feedback": {"name": "ecsq", "error_feedback": False, "entropy": "rice"},
    "dgc without warm-up": {
        "name": "chain",
        "stages": [{"name": "dgc", "warmup_rounds": 0}, {"name": "top_k", "ratio": 0.01}, "raw"],
    },
    "threshold": {"name": "chain", "stages": [{"name": "threshold", "value": 1.0}, "raw"]},
}
EVERY = pytest.mark.parametrize("name", TUNABLE)


def tuned(target, name="topk"):
    return Framed(Budget(codecs.body(TUNABLE[name]), target))


@EVERY
@pytest.mark.parametrize("target", [3_000, 8_000])
def test_a_frame_takes_the_target_or_up_to_three_percent_less(name, target):
    one = tuned(target, name)
    state = one.init(LAYOUT)
    for seed in range(3):
        frame, state = one.encode(update(seed), LAYOUT, state, STAMP)
        assert len(frame) <= target
        assert len(frame) > 0.97 * (target - 64)
        assert len(one.decode(frame, LAYOUT)) == DIM


@pytest.mark.parametrize("target", [3_000, 8_000])
def test_fedzip_takes_no_more_than_the_target_and_perhaps_much_less(target):
    """Its k-means leaves few values in the outer clusters, whatever share was kept before."""
    one = Framed(Budget(codecs.body({"name": "fedzip", "encoding": "rice"}), target))
    frame, _ = one.encode(update(0), LAYOUT, one.init(LAYOUT), STAMP)
    assert len(frame) <= target


def test_without_the_budget_the_same_chain_takes_what_it_takes():
    plain = codecs.build(TUNABLE["topk"])
    frame, _ = plain.encode(update(0), LAYOUT, plain.init(LAYOUT), STAMP)
    small = tuned(len(frame) // 3)
    assert len(small.encode(update(0), LAYOUT, small.init(LAYOUT), STAMP)[0]) <= len(frame) // 3


@given(st.integers(200, 100_000), st.integers(0, 100), st.floats(1e-6, 1e6))
def test_the_target_is_never_passed_whatever_the_update(target, seed, scale):
    one = tuned(target)
    frame, _ = one.encode(update(seed, scale), LAYOUT, one.init(LAYOUT), STAMP)
    assert len(frame) <= target


def test_the_next_round_begins_where_the_last_ended(monkeypatch):
    trials = []
    pack = budget.Chain.pack
    monkeypatch.setattr(budget.Chain, "pack", lambda *a: trials.append(1) or pack(*a))
    one = tuned(2_000)
    state = one.init(LAYOUT)
    counts = []
    for seed in range(4):
        trials.clear()
        _, state = one.encode(update(seed, 1 + seed / 100), LAYOUT, state, STAMP)
        counts.append(len(trials))
    assert counts[0] > 1 and counts[1:] == [1, 1, 1]
    assert max(counts) <= budget.MOST_TRIALS


@EVERY
def test_what_is_remembered_is_of_the_accepted_trial_alone(name):
    """A budget that is met at once gives what the chain by itself gives."""
    one = tuned(5_000, name)
    _, settled = one.encode(update(0), LAYOUT, one.init(LAYOUT), STAMP)
    first = State({**one.init(LAYOUT).tensors, "coarseness": settled["coarseness"]})
    frame, state = one.encode(update(0), LAYOUT, first, STAMP)
    again = tuned(5_000, name)
    frame2, state2 = again.encode(update(0), LAYOUT, again.init(LAYOUT), STAMP)
    assert bytes(frame)[64:] == bytes(frame2)[64:]
    assert {n: state[n].tolist() for n in state} == {n: state2[n].tolist() for n in state2}


def test_error_feedback_still_loses_nothing():
    one = tuned(1_000)
    state, got, sent = one.init(LAYOUT), torch.zeros(DIM), torch.zeros(DIM)
    for seed in range(6):
        frame, state = one.encode(update(seed), LAYOUT, state, STAMP)
        got, sent = got + one.decode(frame, LAYOUT), sent + update(seed)
    torch.testing.assert_close(got + state["0.residual"], sent, rtol=1e-4, atol=1e-3)


def test_the_same_update_state_and_seed_give_the_same_bytes():
    frames = {
        tuned(3_000).encode(update(1), LAYOUT, tuned(3_000).init(LAYOUT), STAMP)[0] for _ in "ab"
    }
    assert len(frames) == 1


@pytest.mark.parametrize("values", [torch.zeros(DIM), torch.ones(DIM), torch.full((DIM,), 1e-38)])
@pytest.mark.parametrize("name", ["topk", "stc", "ecsq without feedback"])
def test_zeros_constants_and_denormals_fit_as_well(name, values):
    one = tuned(6_000, name)
    frame, state = one.encode(values, LAYOUT, one.init(LAYOUT), STAMP)
    assert len(frame) <= 6_000
    frame, _ = one.encode(update(0), LAYOUT, state, STAMP)
    assert 0.97 * 5_936 < len(frame) <= 6_000  # and the next update finds its way back


def test_a_target_above_all_that_the_chain_can_be_is_met_by_the_finest():
    one = tuned(10**7, "topk without feedback")
    frame, _ = one.encode(update(0), LAYOUT, one.init(LAYOUT), STAMP)
    assert one.decode(frame, LAYOUT).tolist() == update(0).tolist()


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


def test_a_chain_with_nothing_to_tune_is_refused_when_it_is_built():
    with pytest.raises(
        ValueError, match="nothing that can be made coarser.*top_k, threshold, ecsq"
    ):
        Budget(codecs.body("bf16"), 1_000)
    with pytest.raises(ValueError, match="target_bytes must be a whole number >= 65"):
        Budget(codecs.body("topk"), 64)


def test_a_target_below_the_coarsest_is_refused_and_says_how_much_that_is():
    with pytest.raises(ValueError, match=r"takes \d+ bytes, target_bytes is 70; raise it"):
        tuned(70).init(LAYOUT)


def test_an_update_that_even_the_coarsest_can_not_fit_is_an_error_with_the_sizes():
    plain = codecs.build(TUNABLE["threshold"])
    least = len(plain.encode(torch.zeros(DIM), LAYOUT, State(), STAMP)[0])
    one = tuned(least, "threshold")
    spike = torch.zeros(DIM).index_fill(0, torch.tensor([5]), 1.0)  # its rms is 0.005
    try:
        frame, _ = one.encode(spike, LAYOUT, one.init(LAYOUT), STAMP)
    except ConfigError as error:
        assert "raise it" in str(error)
    else:
        assert len(frame) <= least


# ── the search by itself ─────────────────────────────────────────────────────────────────────────


def searched(size_of, most, start=0):
    search, tick, trials = Search(most), start, 0
    while tick is not None:
        search.accepts(tick, size_of(tick))
        tick, trials = search.following(), trials + 1
    fitting = [size for size in search.sizes.values() if size <= most]
    return max(fitting, default=None), trials


@given(st.floats(0.4, 2.5), st.integers(100, 10**7), st.integers(1_000, 10**6), st.integers(-8, 8))
def test_sizes_that_fall_as_a_power_are_found_from_wherever_the_search_begins(
    exponent, scale, most, start
):
    def size_of(tick):
        return 20 + round(scale * power(tick) ** -exponent)

    found, trials = searched(size_of, most, start * budget.OCTAVE)
    assert trials <= budget.MOST_TRIALS
    assert found is not None and 0.96 * most < found <= most


@given(st.lists(st.integers(1, 10**6), min_size=80, max_size=80), st.integers(1, 10**6))
def test_sizes_without_any_order_end_the_search_all_the_same(sizes, most):
    found, trials = searched(lambda tick: sizes[tick % 80], most)
    assert trials < 40
    assert found is None or found <= most


def test_what_can_never_fit_is_given_up():
    found, trials = searched(lambda tick: 1_000, 999)
    assert found is None and trials < 40


@given(st.integers(-budget.COARSEST, budget.COARSEST))
def test_power_and_logarithm_are_each_others_inverse_without_rounding(tick):
    assert log2(power(tick)) == tick / budget.OCTAVE
    assert power(tick + 1) > power(tick)
    np.testing.assert_allclose(np.log2(power(tick)), tick / budget.OCTAVE, atol=0.09)
