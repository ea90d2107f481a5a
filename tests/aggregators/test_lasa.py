"""LASA: what a plain loop gives, layer by layer, block by block, and whom it leaves out where."""

import numpy as np
import plain_rules as plain
import pytest
import torch

from fedplat.aggregators.lasa import LASA
from fedplat.aggregators.layerwise import Layers
from fedplat.aggregators.nnm import NNM
from fedplat.aggregators.robust import BLOCK, Robust, aggregate
from fedplat.runtime.folding import InMemory
from fedplat.runtime.robust_fold import fold_robustly

SIZES = (30, 1, 12, 57)
CHAIN = Robust.of([LASA()])


def updates(n, dim=100, seed=0):
    drawn = np.random.Generator(np.random.PCG64(seed))
    centre = 0.5 * drawn.standard_normal(dim)
    return (centre + drawn.gamma(1, 1, (n, 1)) * drawn.standard_normal((n, dim))).astype(np.float32)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 17])
@pytest.mark.parametrize("sizes", [SIZES, (100,), (1,) * 100])
@pytest.mark.parametrize("options", [(0.3, 2.0, 1.0), (0.0, 1.0, 1.0), (0.9, 1.0, 0.5)])
@pytest.mark.parametrize("seed", range(3))
def test_it_gives_what_its_plain_loop_gives(n, sizes, options, seed):
    rows = updates(n, seed=seed)
    got = aggregate(Robust.of([LASA(*options)]), rows, layers=sizes)
    expected = plain.lasa(rows.astype(np.float64), sizes, *options)
    np.testing.assert_allclose(got.value, expected, rtol=1e-5, atol=1e-5)


def test_rows_without_layers_are_one_layer():
    rows = updates(9)
    one = aggregate(CHAIN, rows, layers=[rows.shape[1]])
    assert np.array_equal(aggregate(CHAIN, rows).value, one.value)
    assert not np.array_equal(aggregate(CHAIN, rows, layers=SIZES).value, one.value)


@pytest.mark.parametrize(
    "sizes", [(1, BLOCK + 17, 5, 0, BLOCK, 2), (BLOCK, BLOCK + 25), (1,) * 9, (40,)]
)
def test_blocks_on_any_number_of_threads_give_the_bits_of_the_whole(sizes):
    rows = updates(7, sum(sizes))
    whole = aggregate(CHAIN, rows, seed=5, layers=sizes)
    for threads in (1, 3):
        columns = [InMemory(torch.from_numpy(row)) for row in rows]
        got = fold_robustly(CHAIN, columns, seed=5, layers=sizes, threads=threads)
        assert np.array_equal(got.value, whole.value)
        assert np.array_equal(got.influence, whole.influence)


def test_of_very_long_rows_some_columns_tell_what_is_large_nearly_as_well_as_all():
    rows = updates(5, 3 * BLOCK)
    columns = np.random.Generator(np.random.PCG64(1)).permutation(3 * BLOCK)[
        : LASA().sampled(10**7)
    ]
    few, every = LASA().thresholds(rows[:, columns]), LASA().thresholds(rows)
    for row, threshold in zip(rows, few, strict=True):
        assert (np.abs(row) < threshold).mean() == pytest.approx(0.3, abs=0.01)
    for row, threshold in zip(rows, every, strict=True):
        assert (np.abs(row) < threshold).sum() == int(0.3 * 3 * BLOCK)


# ── limiting cases ───────────────────────────────────────────────────────────────────────────────


def test_bounds_that_nothing_exceeds_make_it_the_mean_of_shortened_rows():
    rows = updates(8)
    got = aggregate(Robust.of([LASA(norm_bound=1e6, sign_bound=1e6)]), rows, layers=SIZES)
    usual = np.median(np.linalg.norm(rows.astype(np.float64), axis=1))
    expected = plain.clipping(rows.astype(np.float64), usual).mean(axis=0)
    np.testing.assert_allclose(got.value, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_updates_are_their_own_aggregate_and_all_count(value):
    rows = np.full((9, 10), value, np.float32)
    outcome = aggregate(CHAIN, rows, layers=(4, 6))
    np.testing.assert_allclose(outcome.value, rows[0], rtol=1e-6)
    np.testing.assert_allclose(outcome.influence, 1 / 9)


def test_two_rows_are_equally_far_from_their_median_so_both_count():
    rows = updates(2)
    usual = np.median(np.linalg.norm(rows.astype(np.float64), axis=1))
    expected = plain.clipping(rows.astype(np.float64), usual).mean(axis=0)
    np.testing.assert_allclose(aggregate(CHAIN, rows, layers=SIZES).value, expected, atol=1e-6)


@pytest.mark.parametrize("liar", [np.nan, np.inf, 1e20])
def test_a_row_that_is_not_finite_or_far_too_long_is_refused(liar):
    rows = updates(9)
    rows[4, 60:] = liar
    outcome = aggregate(CHAIN, rows, layers=SIZES)
    assert list(outcome.refused) == [4] and outcome.influence[4] == 0
    expected = aggregate(CHAIN, np.delete(rows, 4, axis=0), layers=SIZES).value
    assert np.array_equal(outcome.value, expected)


# ── liars ────────────────────────────────────────────────────────────────────────────────────────


def federation(seed=0, honest=12, dim=4000, layers=4):
    """Updates that agree in most signs, as those of one task do."""
    drawn = np.random.Generator(np.random.PCG64(seed))
    centre = np.abs(drawn.standard_normal(dim)) + 0.2 * drawn.standard_normal(dim)
    rows = centre + 0.3 * drawn.standard_normal((honest, dim))
    return rows.astype(np.float32), (dim // layers,) * layers


@pytest.mark.parametrize("seed", range(4))
def test_liars_that_turn_their_signs_around_count_in_no_layer(seed):
    honest, sizes = federation(seed)
    rows = np.concatenate([honest, -honest[:3]])
    outcome = aggregate(Robust.of([LASA(sign_bound=1.5)]), rows, layers=sizes)
    assert not outcome.influence[12:].any() and outcome.influence.sum() == pytest.approx(1)
    apart = np.linalg.norm(outcome.value - honest.mean(axis=0))
    assert apart < 0.3 * np.linalg.norm(rows.mean(axis=0) - honest.mean(axis=0))


def test_who_lies_in_one_layer_is_left_out_there_and_counts_in_the_others():
    honest, sizes = federation()
    lied = honest.copy()
    lied[3, 1000:2000] *= -1  # as long as before: no look at the whole would tell
    rule = Robust.of([LASA(norm_bound=3.0, sign_bound=3.0)])
    outcome = aggregate(rule, lied, layers=sizes)
    calm = aggregate(rule, honest, layers=sizes)
    others = np.delete(np.arange(12), 3)
    usual = np.median(np.linalg.norm(lied.astype(np.float64), axis=1))
    shortened = plain.clipping(lied.astype(np.float64), usual)
    np.testing.assert_allclose(
        outcome.value[1000:2000], shortened[others, 1000:2000].mean(axis=0), rtol=1e-5
    )
    assert 0 < outcome.influence[3] < calm.influence[3]
    whole = aggregate(rule, lied).value  # one layer: the lie is a quarter of it
    assert np.linalg.norm(whole - calm.value) > np.linalg.norm(outcome.value - calm.value)


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"sparsity": 1.0}, "sparsity"),
        ({"sparsity": -0.1}, "sparsity"),
        ({"norm_bound": 0}, "norm_bound"),
        ({"sign_bound": float("nan")}, "sign_bound"),
    ],
)
def test_wrong_settings_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        LASA(**options)


def test_layers_that_do_not_fit_and_stages_before_it_are_refused():
    with pytest.raises(ValueError, match="layers of 99 columns in all do not fit rows of 100"):
        aggregate(CHAIN, updates(5), layers=(99,))
    with pytest.raises(ValueError, match="lasa looks at layers as they were sent"):
        Robust.of([NNM(1), LASA()])


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, 10, [(0, 0, 3), (2, 3, 10)]),
        (0, 3, [(0, 0, 3)]),
        (2, 3, [(0, 0, 1), (2, 1, 3)]),
        (3, 1, [(2, 0, 1)]),
        (9, 3, [(2, 0, 1), (3, 1, 3)]),
        (12, 0, []),
    ],
)
def test_a_block_is_cut_where_layers_end(start, length, expected):
    layers = Layers.of((3, 0, 7, 2), 12, np.zeros(1))
    assert layers.pieces(start, length) == expected
