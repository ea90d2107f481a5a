"""FLAME: what a plain loop gives, HDBSCAN's clusters, noise block by block, no backdoors."""

import numpy as np
import plain_rules as plain
import pytest
import torch
from sklearn.cluster import HDBSCAN

from fedplat.aggregators.flame import FLAME, cosine_distances, majority
from fedplat.aggregators.geometry import Geometry
from fedplat.aggregators.nnm import NNM
from fedplat.aggregators.robust import BLOCK, Robust, aggregate
from fedplat.runtime.folding import InMemory
from fedplat.runtime.robust_fold import fold_robustly

QUIET = Robust.of([FLAME(noise=0.0)])


def updates(n, dim=50, seed=0, towards=1.0):
    drawn = np.random.Generator(np.random.PCG64(seed))
    centre = towards * drawn.standard_normal(dim)
    return (centre + drawn.gamma(1, 1, (n, 1)) * drawn.standard_normal((n, dim))).astype(np.float32)


def distances(rows):
    wide = rows.astype(np.float64)
    return cosine_distances(Geometry(wide @ wide.T))


@pytest.mark.parametrize("n", [1, 2, 3, 8, 15])
@pytest.mark.parametrize("dim", [1, 2, 50])
@pytest.mark.parametrize("seed", range(4))
def test_without_noise_it_gives_what_its_plain_loop_gives(n, dim, seed):
    rows = updates(n, dim, seed)
    expected = plain.flame(rows.astype(np.float64))
    np.testing.assert_allclose(aggregate(QUIET, rows).value, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(40))
def test_the_majority_is_the_cluster_that_hdbscan_finds(seed):
    drawn = np.random.Generator(np.random.PCG64(seed))
    n = int(drawn.integers(2, 30))
    rows = updates(n, int(drawn.integers(2, 20)), seed, towards=drawn.gamma(1, 1))
    rows[: int(drawn.integers(0, n // 2 + 1))] *= -1
    found = HDBSCAN(
        metric="precomputed",
        min_cluster_size=n // 2 + 1,
        min_samples=1,
        allow_single_cluster=True,
        copy=True,
    ).fit(distances(rows))
    assert np.array_equal(majority(distances(rows), n // 2 + 1), found.labels_ == 0)


# ── limiting cases ───────────────────────────────────────────────────────────────────────────────


def test_equal_updates_are_their_own_aggregate_and_all_count():
    outcome = aggregate(QUIET, np.repeat(updates(1), 9, axis=0))
    np.testing.assert_allclose(outcome.value, updates(1)[0], rtol=1e-6)
    np.testing.assert_allclose(outcome.influence, 1 / 9)


def test_updates_of_one_direction_are_averaged_none_longer_than_the_median():
    lengths = np.array([1, 2, 3, 4, 50], np.float32)
    rows = lengths[:, None] * np.ones((1, 4), np.float32)
    outcome = aggregate(QUIET, rows)
    np.testing.assert_allclose(outcome.value, np.full(4, (1 + 2 + 3 + 3 + 3) / 5), rtol=1e-6)


def test_rows_of_zeros_point_nowhere():
    rows = np.concatenate([np.ones((5, 4)), np.zeros((3, 4))]).astype(np.float32)
    outcome = aggregate(QUIET, rows)
    np.testing.assert_allclose(outcome.value, np.ones(4), rtol=1e-6)
    assert not outcome.influence[5:].any()
    assert not aggregate(QUIET, np.zeros((6, 4), np.float32)).value.any()


def test_the_order_of_the_updates_has_no_say():
    rows = updates(11)
    order = np.random.Generator(np.random.PCG64(1)).permutation(11)
    np.testing.assert_allclose(
        aggregate(QUIET, rows[order]).value, aggregate(QUIET, rows).value, rtol=1e-5, atol=1e-6
    )


# ── noise ────────────────────────────────────────────────────────────────────────────────────────


def test_noise_has_the_deviation_that_was_asked_for_times_the_median_norm():
    rows = updates(9, 200_000)
    usual = np.median(np.linalg.norm(rows.astype(np.float64), axis=1))
    noisy = aggregate(Robust.of([FLAME(noise=0.01)]), rows, seed=3).value
    added = noisy - aggregate(QUIET, rows).value
    assert added.std() == pytest.approx(0.01 * usual, rel=0.01)
    assert abs(added.mean()) < 4 * 0.01 * usual / np.sqrt(200_000)


def test_noise_is_drawn_by_the_seed_and_anew_in_every_block():
    rows, rule = np.ones((3, 2 * BLOCK), np.float32), Robust.of([FLAME(noise=0.01)])
    ones = [aggregate(rule, rows, seed=seed).value for seed in (1, 1, 2)]
    assert np.array_equal(ones[0], ones[1])
    assert not np.array_equal(ones[0], ones[2])
    assert not np.array_equal(ones[0][:BLOCK], ones[0][BLOCK:])


@pytest.mark.parametrize(
    "parts", [[FLAME(0.1)], [NNM(2), FLAME(0.1)]], ids=["flame", "nnm | flame"]
)
@pytest.mark.parametrize("dim", [1, BLOCK, 2 * BLOCK + 17])
def test_blocks_on_any_number_of_threads_give_the_bits_of_the_whole(parts, dim):
    chain, rows = Robust.of(parts), updates(7, dim)
    whole = aggregate(chain, rows, seed=5)
    for threads in (1, 3):
        columns = [InMemory(torch.from_numpy(row)) for row in rows]
        got = fold_robustly(chain, columns, seed=5, threads=threads)
        assert np.array_equal(got.value, whole.value)
        assert np.array_equal(got.influence, whole.influence)


# ── backdoors ────────────────────────────────────────────────────────────────────────────────────


def backdoored(angle, liars=4, honest=6, dim=400):
    """Honest updates around one direction, and liars' at an angle to it, three times as long."""
    drawn = np.random.Generator(np.random.PCG64(1))
    rows = 0.3 * drawn.standard_normal((liars + honest, dim)) / np.sqrt(dim)
    rows[:, 0] += 1
    rows[honest:, 0] = np.cos(angle)
    rows[honest:, 1] += np.sin(angle)
    rows[honest:] *= 3
    return rows.astype(np.float32)


@pytest.mark.parametrize("angle", [0.6, 1.0, np.pi / 2, np.pi])
def test_a_minority_that_points_elsewhere_has_no_say(angle):
    outcome = aggregate(QUIET, backdoored(angle))
    assert not outcome.influence[6:].any()
    assert np.argmax(np.abs(outcome.value)) == 0


def test_the_mean_follows_the_same_minority():
    rows = backdoored(1.0)
    assert rows.mean(axis=0)[1] > rows.mean(axis=0)[0] * 0.7
    assert abs(aggregate(QUIET, rows).value[1]) < 0.1


def test_a_minority_that_points_where_the_others_do_is_no_longer_than_them():
    rows = backdoored(0.0)
    rows[6:] *= 100
    outcome = aggregate(QUIET, rows)
    usual = np.median(np.linalg.norm(rows.astype(np.float64), axis=1))
    assert np.linalg.norm(outcome.value) <= usual * (1 + 1e-6)


def test_a_majority_of_liars_is_followed_so_the_promise_ends_there():
    outcome = aggregate(QUIET, backdoored(1.0, liars=6, honest=5))
    assert not outcome.influence[:5].any()


def test_noise_below_0_is_refused():
    with pytest.raises(ValueError, match="noise"):
        FLAME(-0.1)
