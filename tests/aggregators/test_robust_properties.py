"""What holds for all updates: hulls, one update, turned and stretched updates, many precisions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fedplat import aggregators
from fedplat.aggregators.robust import aggregate

COLUMNWISE = ["median", "trimmed_mean", "meamed", "phocas", "bulyan"]
CONVEX = ["krum", "multi_krum", "geometric_median", "mda", "smea", "monna", "cge", "caf", "dnc"]
TURNING = ["krum", "multi_krum", "geometric_median", "mda", "smea", "monna", "cge", "caf"]
STRETCHING = [*TURNING, *COLUMNWISE, "centered_clipping", "sign_guard"]
NEEDS_NO_F = ["median", "geometric_median", "centered_clipping", "sign_guard", "sign_majority"]

rows = arrays.arrays(
    np.float32,
    st.tuples(st.just(11), st.integers(1, 6)),
    elements=st.floats(-100, 100, width=32),
)


def made(name, f=2):
    return aggregators.build({"name": "chain", "stages": [name]}, f)


def drawn(seed=0, n=11, dim=300):
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)


@pytest.mark.parametrize("name", COLUMNWISE)
@given(updates=rows)
def test_a_columnwise_rule_stays_between_the_extremes_of_every_column(name, updates):
    found = aggregate(made(name), updates).value
    slack = 1e-5 * np.abs(updates).max(axis=0) + 1e-30
    assert (updates.min(axis=0) - slack <= found).all()
    assert (found <= updates.max(axis=0) + slack).all()


@pytest.mark.parametrize("name", CONVEX)
@given(updates=rows)
def test_a_rule_of_geometry_stays_in_the_convex_hull(name, updates):
    outcome = aggregate(made(name), updates)
    assert (outcome.influence >= 0).all() and np.isclose(outcome.influence.sum(), 1)
    combined = outcome.influence @ updates.astype(np.float64)
    np.testing.assert_allclose(outcome.value, combined, atol=1e-4)


def test_a_mean_of_shortened_updates_leaves_the_hull_so_the_tests_above_have_teeth():
    away = drawn() + 100
    bound = aggregators.build({"name": "norm_bound", "norm": 1.0})
    assert (aggregate(bound, away).value < away.min(axis=0)).all()


@pytest.mark.parametrize("name", TURNING)
def test_updates_that_are_turned_have_a_turned_aggregate(name):
    turn, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((40, 40)))
    updates = drawn(dim=40)
    turned = (updates @ turn).astype(np.float32)
    plain = aggregate(made(name), updates).value
    np.testing.assert_allclose(aggregate(made(name), turned).value, plain @ turn, atol=1e-4)


@pytest.mark.parametrize("name", STRETCHING)
@pytest.mark.parametrize("factor", [2.0**-100, 0.5, 2.0**60])
def test_updates_that_are_stretched_have_a_stretched_aggregate(name, factor):
    if name == "geometric_median" and factor < 1e-6:
        pytest.skip("its smoothing is a length")
    stretched = (drawn() * factor).astype(np.float32)
    expected = aggregate(made(name), drawn(), seed=3).value * np.float32(factor)
    found = aggregate(made(name), stretched, seed=3).value
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * factor)


@pytest.mark.parametrize("name", [*COLUMNWISE[:4], *NEEDS_NO_F, "mda", "smea", "cge", "caf", "nnm"])
def test_one_update_is_its_own_aggregate(name):
    stages = [name, "mean"] if name == "nnm" else [name]
    chain = aggregators.build({"name": "chain", "stages": stages}, 0)
    update = drawn(n=1)
    expected = np.sign(update[0]) if name == "sign_majority" else update[0]
    np.testing.assert_allclose(aggregate(chain, update).value, expected, rtol=1e-6)


@pytest.mark.parametrize("name", [*COLUMNWISE, *CONVEX, "centered_clipping", "sign_guard"])
@pytest.mark.parametrize("value", [0.0, -0.0, 1e-45, 1e-20, 1e18])
def test_denormal_zero_and_large_updates_are_updates(name, value):
    updates = np.full((11, 3), value, dtype=np.float32)
    found = aggregate(made(name), updates)
    assert found.refused == {}
    np.testing.assert_allclose(found.value, updates[0], rtol=1e-5, atol=1e-45)


def test_an_honest_distance_is_what_it_was_beside_a_huge_liar():
    updates = drawn(n=12)
    updates[11] = 1e18  # 10⁶ times the others' lengths are 1e7: refused before anything is summed
    outcome = aggregate(made("multi_krum", 3), updates)
    assert list(outcome.refused) == [11]
    np.testing.assert_array_equal(outcome.value, aggregate(made("multi_krum"), updates[:11]).value)
