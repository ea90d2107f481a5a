"""The Gram matrix in two precisions: rows' distances are those of float64 wherever it matters."""

import numpy as np
import pytest

from fedplat.aggregators import gram_kernel
from fedplat.aggregators.geometry import Geometry


def updates(n, dim, seed=0):
    rng = np.random.Generator(np.random.PCG64(seed))
    return rng.standard_normal((n, dim), dtype=np.float32)


def places(rows):
    return rows.ctypes.data + 4 * rows.shape[1] * np.arange(len(rows), dtype=np.int64)


def gram(rows):
    total = np.zeros((len(rows), len(rows)))
    gram_kernel.add_products(places(rows), rows.shape[1], total)
    return total + np.tril(total, -1).T


def rounded_gram(rows):
    total = np.zeros((len(rows), len(rows)))
    gram_kernel._add(places(rows), rows.shape[1], total, True)
    return total + np.tril(total, -1).T


def exact(rows):
    rows = rows.astype(np.float64)
    return np.array([[float(((x - y) ** 2).sum()) for y in rows] for x in rows])


def error(found, rows):
    """The largest relative error of a squared distance between two rows that are not equal."""
    true = exact(rows)
    wrong = abs(Geometry(found).squared_distances - true)
    return float((wrong[true > 0] / true[true > 0]).max())


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 12, 33])
@pytest.mark.parametrize("dim", [1, 15, 16, 17, 1024, 1040, 4095, 4096, 4100, 9000])
def test_products_are_those_of_a_plain_product(n, dim):
    rows = updates(n, dim)
    wide = rows.astype(np.float64)
    np.testing.assert_allclose(gram(rows), wide @ wide.T, rtol=0, atol=2e-7 * dim)


def test_a_short_block_is_summed_in_float64():
    rows = updates(9, 1000)
    wide = rows.astype(np.float64)
    np.testing.assert_allclose(gram(rows), wide @ wide.T, rtol=1e-13, atol=1e-11)


@pytest.mark.parametrize("apart", [1.0, 0.3, 0.1, 0.03, 1e-3, 1e-5])
def test_distances_are_right_to_a_hundred_thousandth_however_close_rows_are(apart):
    rows = updates(1, 1 << 16) + np.float32(apart) * updates(6, 1 << 16, seed=1)
    assert error(gram(rows), rows) < 1e-5


def test_distances_of_close_rows_would_be_wrong_in_float32():
    rows = updates(1, 1 << 16) + np.float32(1e-3) * updates(6, 1 << 16, seed=1)
    assert error(rounded_gram(rows), rows) > 1e-3


@pytest.mark.parametrize("size", [1e25, 1e19, 1e-15, 1e-25])
def test_rows_outside_of_float32s_squares_have_their_distances_too(size):
    rows = updates(5, 5000) * np.float32(size)
    np.testing.assert_allclose(Geometry(gram(rows)).squared_distances, exact(rows), rtol=1e-5)


@pytest.mark.parametrize("lie", [1e25, np.inf, np.nan])
def test_a_row_that_is_too_large_changes_no_other_rows_distances(lie):
    rows = updates(6, 5000)
    alone = Geometry(gram(rows[:5])).squared_distances
    rows[5] = lie
    found = gram(rows)
    np.testing.assert_allclose(Geometry(found[:5, :5]).squared_distances, alone, rtol=1e-5)
    assert not np.isfinite(found[5, 5]) or found[5, 5] > 1e50


def test_equal_rows_have_no_distance_and_zeros_are_a_row_like_others():
    rows = updates(6, 1 << 13)
    rows[4] = rows[1]
    rows[5] = 0
    found = gram(rows)
    assert found[1, 1] + found[4, 4] - 2 * found[4, 1] == 0
    assert not found[5].any()
    assert error(found, rows) < 1e-5


def test_no_rows_have_no_products():
    gram_kernel.add_products(np.empty(0, dtype=np.int64), 100, np.empty((0, 0)))


def test_rows_may_start_anywhere():
    rows = updates(5, 5000)
    held = np.zeros((5, 5003), dtype=np.float32)
    for shift in (1, 2, 3):
        held[:, shift : shift + 5000] = rows
        total = np.zeros((5, 5))
        gram_kernel.add_products(places(held) + 4 * shift, 5000, total)
        assert np.array_equal(total, np.tril(gram(rows)))
