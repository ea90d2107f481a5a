"""Columns of all rows: mixed, sorted, averaged and counted, whatever their number."""

import numpy as np
import pytest

from fedplat.aggregators import column_kernel, network
from fedplat.aggregators.kinds import TRIMMED


def updates(n, dim, seed=0):
    rng = np.random.Generator(np.random.PCG64(seed))
    return rng.standard_normal((n, dim), dtype=np.float32)


def trimmed(rows, start, stop, mixing=None):
    n, dim = rows.shape
    mixing = np.empty((0, n)) if mixing is None else mixing
    sorted_rows = len(mixing) or n
    out, counts = np.empty(dim, dtype=np.float32), np.zeros(sorted_rows, dtype=np.int64)
    addresses = rows.ctypes.data + 4 * dim * np.arange(n, dtype=np.int64)
    comparisons = network.sorting(sorted_rows, start, stop)
    column_kernel.columns(addresses, mixing, comparisons, TRIMMED, start, stop, out, counts)
    return out, counts


def mixings(n):
    rng = np.random.Generator(np.random.PCG64(n))
    nearest = np.full((n, n), 1 / n)
    nearest[np.arange(n), rng.permutation(n)] = 0
    buckets = np.repeat(np.eye(-(-n // 2)), 2, axis=1)[:, :n] / 2
    return {"dense": rng.random((n + 3, n)), "nearest": nearest, "buckets": buckets}


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 65])
@pytest.mark.parametrize("dim", [1, 15, 63, 64, 65, 300])
def test_values_in_the_middle_are_averaged_and_counted(n, dim):
    rows, start, stop = updates(n, dim), n // 4, n - n // 4
    out, counts = trimmed(rows, start, stop)
    ordered = np.sort(rows, axis=0)
    mean = ordered[start:stop].astype(np.float64).mean(axis=0)
    np.testing.assert_array_equal(out, mean.astype(np.float32))
    inside = (rows >= ordered[start]) & (rows <= ordered[stop - 1])
    np.testing.assert_array_equal(counts, inside.sum(axis=1))


@pytest.mark.parametrize("kind", ["dense", "nearest", "buckets"])
@pytest.mark.parametrize("n", [1, 2, 7, 9, 65])
def test_rows_are_mixed_before_they_are_sorted(kind, n):
    rows, mixing = updates(n, 130), mixings(n)[kind]
    mixed = mixing @ rows.astype(np.float64)
    middle = len(mixing) // 2
    out, _ = trimmed(rows, middle, middle + 1, mixing)
    np.testing.assert_allclose(out, np.sort(mixed, axis=0)[middle], rtol=3e-7, atol=1e-7)


def test_columns_on_their_own_have_the_bits_that_they_have_among_others():
    rows = updates(20, 333)
    for mixing in (None, *mixings(20).values()):
        whole, _ = trimmed(rows, 5, 9, mixing)
        for start, stop in ((0, 1), (7, 100), (64, 333)):
            part = np.ascontiguousarray(rows[:, start:stop])
            assert np.array_equal(trimmed(part, 5, 9, mixing)[0], whole[start:stop])


@pytest.mark.parametrize("n", [200, 1000])
def test_many_rows_are_sorted_as_few_are(n):
    rows = updates(n, 70)
    out, _ = trimmed(rows, (n - 1) // 2, n // 2 + 1)
    np.testing.assert_array_equal(out, np.median(rows.astype(np.float64), axis=0).astype("f4"))
