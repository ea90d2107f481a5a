"""Attacks made for a rule: they do to it what their papers say, and do not where they can not."""

import numpy as np
import pytest

from fedplat import attacks
from fedplat.aggregators.foreseen import Foreseen
from fedplat.aggregators.geometric_median import GeometricMedian
from fedplat.aggregators.krum import Krum, multi_krum
from fedplat.aggregators.median import Median
from fedplat.aggregators.nnm import NNM
from fedplat.aggregators.robust import Robust, aggregate
from fedplat.aggregators.trimmed_mean import TrimmedMean
from fedplat.attacks.lies import Seen
from fedplat.attacks.search import most_harmful, most_harmful_at_any_scale

LIARS, HONEST, DIM = 4, 12, 60
CHAINS = {
    "krum": [Krum(LIARS)],
    "multi_krum": [multi_krum(LIARS)],
    "median": [Median()],
    "trimmed_mean": [TrimmedMean(LIARS)],
    "geometric_median": [GeometricMedian()],
    "nnm | trimmed_mean": [NNM(LIARS), TrimmedMean(LIARS)],
}


def view(seed=0, chain=None, noise=1.0, honest=HONEST):
    drawn = np.random.Generator(np.random.PCG64(seed))
    centre = drawn.standard_normal(DIM)
    rows = (centre + noise * drawn.standard_normal((LIARS + honest, DIM))).astype(np.float32)
    rule = None if chain is None else Foreseen(Robust.of(CHAINS[chain]), seed=3)
    return Seen(rows[:LIARS], rows[LIARS:], 7, aggregate=rule)


def lies(seen, name, **settings):
    return attacks.build({"name": name, **settings}).craft(seen)


def run(chain, seen, sent):
    return aggregate(Robust.of(CHAINS[chain]), np.concatenate([seen.honest, sent]), seed=3)


def harm(chain, seen, sent):
    return np.linalg.norm(run(chain, seen, sent).value - seen.mean())


# ── Fang et al.: Krum ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(6))
def test_krum_selects_the_lie_that_was_made_for_it_and_goes_against_the_honest_mean(seed):
    seen = view(seed)
    sent = lies(seen, "fang_krum")
    outcome = run("krum", seen, sent)
    assert np.array_equal(outcome.value, sent[0])
    assert outcome.influence[HONEST:].sum() == 1
    signs = np.sign(seen.mean())
    np.testing.assert_allclose(sent[0] / np.abs(sent[0]).max(), -signs, rtol=1e-6)
    assert outcome.value @ seen.mean() < 0


def test_twice_the_lie_is_not_selected_so_it_is_as_large_as_halving_allows():
    seen = view()
    sent = lies(seen, "fang_krum")
    outcome = run("krum", seen, 2 * sent)
    assert outcome.influence[HONEST:].sum() == 0


def test_the_factor_against_krum_is_that_of_a_plain_search():
    seen = view(3)
    honest, signs = seen.honest.astype(np.float64), np.sign(seen.mean())
    n, f = HONEST + LIARS, LIARS
    sums = [sorted(((x - y) ** 2).sum() for y in honest)[1 : n - f - 1] for x in honest]
    factor = np.sqrt(min(map(sum, sums)) / ((n - 2 * f - 1) * DIM))
    factor += max(np.linalg.norm(x) for x in honest) / np.sqrt(DIM)
    while (
        run("krum", seen, np.tile(-factor * signs, (f, 1)).astype(np.float32))
        .influence[HONEST:]
        .sum()
        == 0
    ):
        factor /= 2
    np.testing.assert_allclose(lies(seen, "fang_krum")[0], -factor * signs, rtol=1e-5)


def test_updates_that_are_all_the_same_leave_no_room_for_a_lie_against_krum():
    same = np.ones((HONEST, DIM), np.float32)
    sent = lies(Seen(same[:LIARS], same, 0), "fang_krum")
    assert np.abs(sent).max() <= 1e-5


# ── Fang et al.: trimmed mean and median ─────────────────────────────────────────────────────────


def test_values_against_the_trimmed_mean_lie_beyond_the_honest_ones_on_the_other_side():
    seen = view(1)
    sent = lies(seen, "fang_trimmed_mean")
    low, high, down = seen.honest.min(axis=0), seen.honest.max(axis=0), seen.mean() > 0
    assert (sent[:, down] <= low[down]).all() and (sent[:, ~down] >= high[~down]).all()
    furthest_low = np.where(low > 0, low / 2, low * 2)
    furthest_high = np.where(high > 0, high * 2, high / 2)
    assert (sent[:, down] >= furthest_low[down] - 1e-6).all()
    assert (sent[:, ~down] <= furthest_high[~down] + 1e-6).all()
    assert len(np.unique(sent[:, 0])) == LIARS
    np.testing.assert_allclose(
        lies(seen, "fang_trimmed_mean", b=1.0)[0], np.where(down, low, high), rtol=1e-6
    )


@pytest.mark.parametrize("chain", ["trimmed_mean", "median"])
def test_they_carry_the_rule_further_than_an_honest_round_and_than_noise(chain):
    seen = view(2)
    attacked = harm(chain, seen, lies(seen, "fang_trimmed_mean"))
    assert attacked > 2 * harm(chain, seen, seen.own)
    assert attacked > harm(chain, seen, lies(seen, "gaussian"))


# ── adaptive ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("seed", range(3))
def test_an_adaptive_lie_does_at_least_the_harm_of_the_others(chain, seed):
    seen = view(seed, chain)
    worst = harm(chain, seen, lies(seen, "adaptive"))
    assert worst >= harm(chain, seen, lies(seen, "optimised")) * 0.99
    for name in ("alie", "sign_flip", "zero", "gaussian"):
        assert worst >= harm(chain, seen, lies(seen, name)), name


@pytest.mark.parametrize("chain", CHAINS)
def test_an_adaptive_lie_against_one_rule_is_not_the_lie_against_another(chain):
    other = "krum" if chain != "krum" else "median"
    seen = view(4, chain)
    against_other = lies(view(4, other), "adaptive")
    assert harm(chain, seen, lies(seen, "adaptive")) >= harm(chain, seen, against_other) * 0.99
    assert not np.array_equal(lies(seen, "adaptive"), against_other)


def test_an_adaptive_liar_tries_the_rule_as_often_as_it_may_and_aggregates_nothing():
    seen = view(0, "krum")
    rule, counted = seen.aggregate, []

    class Counting:
        def __call__(self, rows):
            raise AssertionError(rows)

        def along(self, *seen_by_it):
            found = rule.along(*seen_by_it)
            return [lambda factor, one=one: counted.append(factor) or one(factor) for one in found]

    lies(Seen(seen.own, seen.honest, 0, aggregate=Counting()), "adaptive", trials=5)
    assert len(counted) == 8 * 5


def test_a_liar_that_may_try_once_says_what_the_honest_say():
    seen = view(0, "krum")
    sent = lies(seen, "adaptive", trials=1)
    np.testing.assert_allclose(sent, np.tile(seen.mean(), (LIARS, 1)), rtol=1e-6, atol=1e-6)


# ── the search ───────────────────────────────────────────────────────────────────────────────────


def forgiving(factor):
    """A rule that small lies do good to, and that drops all beyond 5."""
    return 1.0 if factor == 0 else 0.5 if factor < 2 else factor if factor <= 5 else 0.0


def test_a_search_at_any_scale_finds_lies_that_one_which_begins_small_does_not():
    assert most_harmful(forgiving, 0.5, 20) == (0.0, 1.0)
    factor, harm = most_harmful_at_any_scale(forgiving, 0.5, 20)
    assert 4.9 < factor <= 5 and harm == factor


@pytest.mark.parametrize("search", [most_harmful, most_harmful_at_any_scale])
@pytest.mark.parametrize("trials", [1, 2, 3, 7, 20])
def test_a_search_tries_as_often_as_it_may_and_ends_at_the_worst_that_it_tried(search, trials):
    tried = []

    def harm(factor):
        tried.append(factor)
        return -((factor - 1.3) ** 2)

    factor, most = search(harm, 0.5, trials)
    assert len(tried) == trials and factor in tried
    assert most == max(-((one - 1.3) ** 2) for one in tried)
    if trials == 20:
        assert factor == pytest.approx(1.3, abs=0.3)


@pytest.mark.parametrize("search", [most_harmful, most_harmful_at_any_scale])
def test_a_rule_that_nothing_harms_is_told_the_honest_mean(search):
    assert search(lambda factor: 0.0, 0.5, 20) == (0.0, 0.0)
