"""Robust rules: what plain loops give, what they promise, and that the mean does not."""

import tracemalloc

import numpy as np
import plain_rules as plain
import pytest

from fedplat.aggregators.arc import ARC
from fedplat.aggregators.bucketing import Bucketing
from fedplat.aggregators.bulyan import bulyan
from fedplat.aggregators.caf import CAF
from fedplat.aggregators.centered_clipping import CenteredClipping
from fedplat.aggregators.cge import CGE
from fedplat.aggregators.clipping import Clipping
from fedplat.aggregators.dnc import DnC
from fedplat.aggregators.fltrust import FLTrust
from fedplat.aggregators.geometric_median import GeometricMedian
from fedplat.aggregators.krum import Krum, multi_krum
from fedplat.aggregators.mda import MDA
from fedplat.aggregators.meamed import MeaMed
from fedplat.aggregators.median import Median
from fedplat.aggregators.monna import MoNNA
from fedplat.aggregators.nnm import NNM
from fedplat.aggregators.norm_bound import NormBound
from fedplat.aggregators.phocas import Phocas
from fedplat.aggregators.robust import Robust, aggregate
from fedplat.aggregators.sign_guard import SignGuard
from fedplat.aggregators.sign_majority import SignMajority
from fedplat.aggregators.smea import SMEA
from fedplat.aggregators.trimmed_mean import TrimmedMean
from fedplat.errors import ToleranceError

HONEST, LIARS, DIM = 9, 2, 37


def updates(n=HONEST + LIARS, dim=DIM, seed=0):
    rng = np.random.Generator(np.random.PCG64(seed))
    spread = rng.gamma(1, 1, (n, 1)) * rng.standard_normal((n, dim))
    return (spread + rng.standard_normal(dim)).astype(np.float32)


def run(*parts, rows=None, **options):
    return aggregate(Robust.of(parts), updates() if rows is None else rows, **options).value


RULES = {
    "median": (lambda f: [Median()], lambda x, f: plain.median(x)),
    "trimmed_mean": (lambda f: [TrimmedMean(f)], plain.trimmed_mean),
    "meamed": (lambda f: [MeaMed(f)], plain.meamed),
    "phocas": (lambda f: [Phocas(f)], plain.phocas),
    "krum": (lambda f: [Krum(f)], plain.krum),
    "multi_krum": (lambda f: [multi_krum(f)], lambda x, f: plain.krum(x, f, len(x) - f)),
    "bulyan": (lambda f: bulyan(f), plain.bulyan),
    "geometric_median": (lambda f: [GeometricMedian()], lambda x, f: plain.geometric_median(x)),
    "mda": (lambda f: [MDA(f)], plain.mda),
    "smea": (lambda f: [SMEA(f)], plain.smea),
    "cge": (lambda f: [CGE(f)], plain.cge),
    "monna": (lambda f: [MoNNA(f)], plain.monna),
    "caf": (lambda f: [CAF(f)], plain.caf),
    "norm_bound": (lambda f: [NormBound(3.0)], lambda x, f: plain.norm_bound(x, 3.0)),
    "sign_majority": (lambda f: [SignMajority()], lambda x, f: plain.sign_majority(x)),
}
MIXES = {
    "nnm": (lambda f: NNM(f), plain.nnm),
    "clipping": (lambda f: Clipping(3.0), lambda x, f: plain.clipping(x, 3.0)),
    "arc": (lambda f: ARC(f), plain.arc),
}
ROBUST = [name for name in RULES if name not in ("norm_bound", "sign_majority")]
EVERY_RULE = pytest.mark.parametrize("name", RULES)


def chain(name, f=LIARS):
    return RULES[name][0](f)


# ── the plain loops ──────────────────────────────────────────────────────────────────────────────


@EVERY_RULE
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [11, 12, 17])
def test_a_rule_gives_what_its_plain_loop_gives(name, n, seed):
    rows = updates(n, seed=seed)
    expected = RULES[name][1](rows.astype(np.float64), LIARS)
    np.testing.assert_allclose(run(*chain(name), rows=rows), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("name", RULES)
def test_a_chain_gives_what_its_plain_loops_give_one_after_another(mix, name):
    if name == "cge" and mix in ("clipping", "arc"):
        pytest.skip("rows that are shortened to one norm are equally short: rounding decides")
    make, loop = MIXES[mix]
    rows = updates(12, seed=3)
    expected = RULES[name][1](loop(rows.astype(np.float64), LIARS), LIARS)
    got = run(make(LIARS), *chain(name), rows=rows)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tau", [0.5, 3.0, 1e9])
def test_centered_clipping_gives_what_its_plain_loop_gives(tau):
    rows, centre = updates(), updates(1, seed=9)[0]
    expected = plain.centered_clipping(
        rows.astype(np.float64), centre.astype(np.float64), tau, iterations=4
    )
    got = run(CenteredClipping(tau, 4), rows=rows, reference=centre)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_centered_clipping_without_a_centre_begins_at_zero():
    rows = updates()
    expected = run(CenteredClipping(2.0), rows=rows, reference=np.zeros(DIM, np.float32))
    np.testing.assert_allclose(run(CenteredClipping(2.0), rows=rows), expected, atol=1e-6)


def test_centered_clipping_takes_updates_that_are_the_centre_itself():
    rows = updates()
    got = run(CenteredClipping(1e9, 1), rows=rows, reference=rows[0])
    np.testing.assert_allclose(got, rows.mean(axis=0), rtol=1e-4, atol=1e-5)
    same = np.repeat(rows[:1], 5, axis=0)
    assert np.array_equal(run(CenteredClipping(), rows=same, reference=rows[0]), rows[0])


def test_buckets_are_means_of_all_rows_dealt_out_by_the_seed():
    rows = updates(11)
    shares = [Bucketing(2).mixing(np.zeros((11, 11)), seed) for seed in (1, 1, 2)]
    assert shares[0].shape == (6, 11)
    np.testing.assert_allclose(shares[0].sum(axis=1), 1)
    assert ((shares[0] > 0).sum(axis=0) == 1).all()
    assert np.array_equal(shares[0], shares[1]) and not np.array_equal(shares[0], shares[2])
    whole = run(Bucketing(11), Median(), rows=rows)
    np.testing.assert_allclose(whole, rows.mean(axis=0), rtol=1e-5, atol=1e-6)


def test_dnc_that_looks_at_all_columns_gives_what_its_plain_loop_gives():
    rows = updates(12, seed=2)
    got = run(DnC(LIARS, iterations=1, coordinates=DIM), rows=rows)
    np.testing.assert_allclose(got, plain.dnc(rows.astype(np.float64), LIARS), atol=1e-5)


def test_dnc_keeps_what_every_iteration_keeps_and_the_seed_says_where_it_looks():
    rows = updates(12, seed=2)
    rule = Robust.of([DnC(1, iterations=3, coordinates=4)])
    ones = [aggregate(rule, rows, seed=seed) for seed in (1, 1, 2, 3, 4)]
    assert all(len(rows) - 3 <= (one.influence > 0).sum() <= len(rows) - 1 for one in ones)
    assert np.array_equal(ones[0].value, ones[1].value)
    assert len({one.value.tobytes() for one in ones}) > 1


def test_fltrust_gives_what_its_plain_loop_gives_and_trusts_nobody_who_points_away():
    rows, root = updates(12, seed=4), updates(1, seed=6)[0]
    outcome = aggregate(Robust.of([FLTrust()]), rows, reference=root)
    expected = plain.fltrust(rows.astype(np.float64), root.astype(np.float64))
    np.testing.assert_allclose(outcome.value, expected, rtol=1e-4, atol=1e-5)
    assert np.array_equal(outcome.influence > 0, rows @ root > 0)
    assert np.linalg.norm(outcome.value) <= np.linalg.norm(root) * (1 + 1e-6)
    with pytest.raises(ToleranceError, match="a row that points where the root update does"):
        run(FLTrust(), rows=-np.abs(root)[None].repeat(5, 0), reference=np.abs(root))
    with pytest.raises(ValueError, match="reference"):
        run(FLTrust(), rows=rows)


def test_sign_guard_keeps_rows_of_a_usual_length_and_mixture_of_signs():
    rows = updates(12, dim=4000)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[1] *= 0.05  # too short
    rows[2] *= 5  # too long
    rows[3] = np.abs(rows[3])  # all positive
    outcome = aggregate(Robust.of([SignGuard()]), rows)
    assert not outcome.influence[1:4].any() and outcome.influence.sum() == pytest.approx(1)
    assert (outcome.influence > 0).sum() >= 6
    chosen = rows[outcome.influence > 0].astype(np.float64)
    usual = np.median(np.linalg.norm(rows, axis=1))
    expected = plain.clipping(chosen, usual).mean(axis=0)
    np.testing.assert_allclose(outcome.value, expected, atol=1e-6)


def test_sign_guard_of_rows_with_the_same_signs_is_their_mean():
    rows = np.abs(updates(8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(run(SignGuard(), rows=rows), rows.mean(axis=0), atol=1e-6)


# ── limiting cases ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name",
    ["trimmed_mean", "meamed", "phocas", "multi_krum", "bulyan", "mda", "smea", "cge", "caf"],
)
def test_without_liars_a_rule_is_the_mean(name):
    rows = updates()
    np.testing.assert_allclose(run(*chain(name, 0), rows=rows), rows.mean(axis=0), atol=1e-5)


@EVERY_RULE
def test_equal_updates_are_their_own_aggregate(name):
    rows = np.repeat(updates(1), 11, axis=0)
    rows *= np.float32(2.0) / np.linalg.norm(rows[0])  # no longer than the norm bound
    expected = np.sign(rows[0]) if name == "sign_majority" else rows[0]
    np.testing.assert_allclose(run(*chain(name), rows=rows), expected, rtol=1e-6)


@pytest.mark.parametrize("name", sorted(set(ROBUST) - {"cge"}))
def test_a_shift_of_all_updates_shifts_the_aggregate(name):
    rows, shift = updates(), updates(1, seed=5)[0]
    moved = run(*chain(name), rows=rows + shift)
    np.testing.assert_allclose(moved, run(*chain(name), rows=rows) + shift, rtol=1e-4, atol=1e-4)


# MoNNA trusts a place; of Bulyan's last few rows two are each other's nearest, and the first counts
@pytest.mark.parametrize("name", sorted(set(RULES) - {"monna", "bulyan"}))
def test_the_order_of_the_updates_has_no_say(name):
    rows = updates()
    order = np.random.Generator(np.random.PCG64(1)).permutation(len(rows))
    again = run(*chain(name), rows=rows[order])
    np.testing.assert_allclose(again, run(*chain(name), rows=rows), rtol=1e-5, atol=1e-6)


@EVERY_RULE
@pytest.mark.parametrize("dim", [1, 2, 15, 16, 17, 129, 8193])
def test_a_rule_takes_any_number_of_columns(name, dim):
    rows = updates(dim=dim)
    expected = RULES[name][1](rows.astype(np.float64), LIARS)
    np.testing.assert_allclose(run(*chain(name), rows=rows), expected, rtol=1e-4, atol=1e-4)


# ── liars ────────────────────────────────────────────────────────────────────────────────────────


def lies(rows, size):
    honest = rows[:HONEST]
    direction = updates(1, seed=8)[0]
    return np.concatenate([honest, np.repeat(size * direction[None], LIARS, axis=0)])


@pytest.mark.parametrize("name", ROBUST)
@pytest.mark.parametrize("size", [10.0, 1e3, 1e5])
def test_two_liars_in_eleven_can_not_carry_the_aggregate_away(name, size):
    rows = lies(updates(), np.float32(size))
    honest = rows[:HONEST]
    diameter = max(np.linalg.norm(x - y) for x in honest for y in honest)
    error = np.linalg.norm(run(*chain(name), rows=rows) - honest.mean(axis=0))
    assert error <= 2 * diameter


def test_the_mean_is_carried_away_so_the_test_above_has_teeth():
    rows = lies(updates(), np.float32(1e5))
    assert np.linalg.norm(rows.mean(axis=0)) > 1e4
    assert np.linalg.norm(run(TrimmedMean(0), rows=rows)) > 1e4


@EVERY_RULE
@pytest.mark.parametrize("liar", [np.nan, np.inf, -np.inf, 1e20, 3e38])
def test_a_row_that_is_not_finite_or_far_too_long_is_refused_and_named(name, liar):
    rows = updates(12)
    rows[4] = liar
    before = rows.copy()
    outcome = aggregate(Robust.of(chain(name)), rows)
    assert list(outcome.refused) == [4] and outcome.influence[4] == 0
    assert np.array_equal(before, rows, equal_nan=True)
    expected = aggregate(Robust.of(chain(name, LIARS - 1)), np.delete(rows, 4, axis=0)).value
    assert np.array_equal(outcome.value, expected)


def test_a_row_that_is_refused_counts_as_one_of_the_liars():
    rows = updates(7)
    rows[2] = np.nan
    assert np.isfinite(run(Krum(2), rows=rows)).all()  # 6 rows, one liar left: 6 ≥ 2·1 + 3
    with pytest.raises(ToleranceError, match="krum requires n >= 2f \\+ 3; got n=6, f=2"):
        run(Krum(2), rows=updates(6))


# ── what a rule refuses ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("parts", "least"),
    [
        ([TrimmedMean(2)], 5),
        ([MeaMed(2)], 5),
        ([Phocas(2)], 5),
        ([Krum(2)], 7),
        (list(bulyan(2)), 11),
        ([MDA(2)], 5),
        ([SMEA(2)], 5),
        ([CGE(2)], 5),
        ([MoNNA(2)], 5),
        ([CAF(2)], 5),
        ([NNM(2), Median()], 5),
        ([ARC(2), Median()], 5),
    ],
    ids=lambda one: one[0].name if isinstance(one, list) else str(one),
)
def test_a_rule_refuses_fewer_updates_than_its_theorem_needs(parts, least):
    assert np.isfinite(run(*parts, rows=updates(least))).all()
    with pytest.raises(ToleranceError, match=f"requires n >= .*got n={least - 1}, f=2"):
        run(*parts, rows=updates(least - 1))


@pytest.mark.parametrize("rule", [MDA, SMEA])
def test_more_sets_than_can_be_tried_are_refused(rule):
    with pytest.raises(ToleranceError, match="at most 1,000,000 sets"):
        run(rule(12), rows=updates(40, dim=2))


def test_sets_of_many_rows_are_tried_in_memory_for_a_few():
    rows = updates(400, dim=3)
    rows[7] += 100
    tracemalloc.start()
    outcome = aggregate(Robust.of([MDA(1)]), rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert outcome.influence[7] == 0 and peak < 200e6  # all sets at once: 509 MB


def test_a_chain_ends_with_the_one_part_that_makes_an_aggregate():
    with pytest.raises(ValueError, match="nnm mixes rows only"):
        Robust.of([NNM(1)])
    with pytest.raises(ValueError, match="median makes an aggregate"):
        Robust.of([Median(), NNM(1)])
    with pytest.raises(ValueError, match="at least one"):
        Robust.of([])


@pytest.mark.parametrize("rule", [TrimmedMean, MeaMed, Krum, NNM, ARC, CAF, MDA])
def test_a_number_of_liars_below_0_or_not_whole_is_refused(rule):
    with pytest.raises(ValueError, match="num_byzantine"):
        rule(-1)
    with pytest.raises(ValueError, match="num_byzantine"):
        rule(1.5)


# ── influence ────────────────────────────────────────────────────────────────────────────────────


def test_influence_says_whose_updates_the_aggregate_is_made_of():
    rows = lies(updates(), np.float32(1e3))
    for name in ("krum", "multi_krum", "trimmed_mean", "median", "mda", "geometric_median"):
        influence = aggregate(Robust.of(chain(name)), rows).influence
        assert influence.sum() == pytest.approx(1)
        assert influence[HONEST:].sum() < 0.02, name


def test_influence_of_the_mean_is_the_same_for_all():
    influence = aggregate(Robust.of([TrimmedMean(0)]), updates()).influence
    np.testing.assert_allclose(influence, 1 / 11)
