"""Rules that look at one column of all rows at a time: sorted, or mixed first and then sorted.

A tile holds some columns of all rows, row under row, so that one comparison of a sorting network
is one vector instruction for all its columns.  All sums are in float64, in ascending order of the
values, so rows may come in any order.
"""

import numba
import numpy as np
from numba import float32, float64, int64, void
from numpy.typing import NDArray

from fedplat.aggregators.addresses import row
from fedplat.aggregators.kinds import NEAREST_MEDIAN, SIGNS, TRIMMED

LANES = 16  # a tile's width is a multiple
CACHED = 1 << 13  # numbers in a tile, about


Addresses = NDArray[np.int64]
Matrix = NDArray[np.float64]

_compiled = numba.njit(nogil=True, cache=True, fastmath=False, error_model="numpy")
_inlined = numba.njit(nogil=True, cache=True, fastmath=False, error_model="numpy", inline="always")


@_compiled
def _load(addresses, start, width, tile):  # type: ignore[no-untyped-def]
    for i in range(len(addresses)):
        values = row(addresses[i], start, width)
        for j in range(width):
            tile[i, j] = values[j]


@_inlined
def _add(values, weight, sums):  # type: ignore[no-untyped-def]
    for j in range(len(values)):
        sums[j] += weight * np.float64(values[j])


@_compiled
def _mix(addresses, start, width, mixing, tile):  # type: ignore[no-untyped-def]
    """Rows of `tile` become sums of rows by `mixing`, rounded once."""
    sums = np.empty(width)
    for a in range(len(mixing)):
        sums[:] = 0
        for i in range(len(addresses)):
            if mixing[a, i] != 0:
                _add(row(addresses[i], start, width), mixing[a, i], sums)
        for j in range(width):
            tile[a, j] = np.float32(sums[j])


@_compiled
def _sort(tile, width, comparisons):  # type: ignore[no-untyped-def]
    for c in range(len(comparisons)):
        low, high = tile[comparisons[c, 0], :width], tile[comparisons[c, 1], :width]
        for j in range(width):
            x, y = low[j], high[j]
            low[j] = x if x < y else y
            high[j] = y if x < y else x


@_compiled
def _mean(tile, width, start, stop, means):  # type: ignore[no-untyped-def]
    means[:width] = 0
    for i in range(start, stop):
        for j in range(width):
            means[j] += np.float64(tile[i, j])
    for j in range(width):
        means[j] /= stop - start


@_compiled
def _nearest(tile, width, kept, centres, first, means):  # type: ignore[no-untyped-def]
    """The mean of the `kept` values nearest to each column's centre; of sorted columns a window.

    `first` becomes the window's begin; of windows that reach equally far, the lowest.
    """
    n = len(tile)
    best = np.full(width, np.inf)
    for i in range(n - kept + 1):
        for j in range(width):
            below = centres[j] - np.float64(tile[i, j])
            above = np.float64(tile[i + kept - 1, j]) - centres[j]
            reach = below if below > above else above
            if reach < best[j]:
                best[j], first[j] = reach, i
    means[:width] = 0
    for i in range(n):
        for j in range(width):
            inside = first[j] <= i and i < first[j] + kept
            means[j] += np.float64(tile[i, j]) if inside else 0.0
    for j in range(width):
        means[j] /= kept


@_compiled
def _vote(tile, width, means):  # type: ignore[no-untyped-def]
    means[:width] = 0
    for i in range(len(tile)):
        for j in range(width):
            means[j] += np.float64(tile[i, j] > 0) - np.float64(tile[i, j] < 0)
    for j in range(width):
        means[j] = np.sign(means[j])


@_compiled
def _count(copy, tile, width, start, stop, first, counts):  # type: ignore[no-untyped-def]
    """Adds to each row's count the columns in which its value lies between the first and last kept.

    Where `first` is negative these are rows `start` and `stop` - 1 of the sorted tile.
    """
    for j in range(width):
        begin = start if first[j] < 0 else first[j]
        low, high = tile[begin, j], tile[begin + stop - start - 1, j]
        for i in range(len(copy)):
            counts[i] += np.int64(low <= copy[i, j] and copy[i, j] <= high)


@numba.njit(
    [
        void(
            int64[::1],
            float64[:, ::1],
            int64[:, ::1],
            int64,
            int64,
            int64,
            float32[::1],
            int64[::1],
        )
    ],
    nogil=True,
    cache=True,
    fastmath=False,
    error_model="numpy",
)
def columns(addresses, mixing, comparisons, kind, start, stop, out, counts):  # type: ignore[no-untyped-def]
    """Fills `out` from `len(out)` columns of the rows, mixed first where `mixing` has rows.

    `kind`: TRIMMED is the mean of the sorted places from `start` to `stop`; NEAREST_MEDIAN and
    NEAREST_TRIMMED are that of the `stop - start` values nearest to the median, or to the mean
    without the `start` values at either end; SIGNS the sign of most.  `counts` are added how often
    each row's value was one of those.
    Shapes: `addresses` (n,), `mixing` (0 or m, n), `comparisons` (c, 2), `counts` (m or n,).
    """
    n = len(mixing) if len(mixing) else len(addresses)
    lanes = max(1, min(32, CACHED // max(1, n) // LANES)) * LANES
    tile, copy = np.empty((n, lanes), dtype=np.float32), np.empty((n, lanes), dtype=np.float32)
    means, centres = np.empty(lanes), np.empty(lanes)
    first = np.empty(lanes, dtype=np.int64)
    for begin in range(0, len(out), lanes):
        width = min(lanes, len(out) - begin)
        if len(mixing):
            _mix(addresses, begin, width, mixing, tile)
        else:
            _load(addresses, begin, width, tile)
        first[:] = -1
        copy[:] = tile
        _sort(tile, width, comparisons)
        if kind == TRIMMED:
            _mean(tile, width, start, stop, means)
        elif kind == SIGNS:
            _vote(tile, width, means)
        else:
            if kind == NEAREST_MEDIAN:
                _mean(tile, width, (n - 1) // 2, n // 2 + 1, centres)
            else:
                _mean(tile, width, start, n - start, centres)
            _nearest(tile, width, stop - start, centres, first, means)
        if kind == SIGNS:
            counts[:] += width
        else:
            _count(copy, tile, width, start, stop, first, counts)
        for j in range(width):
            out[begin + j] = np.float32(means[j])
