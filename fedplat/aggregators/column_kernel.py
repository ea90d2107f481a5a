"""Rules that look at one column of all rows at a time: sorted, or mixed first and then sorted.

A tile holds some columns of all rows, row under row, so that one comparison of a sorting network
is one vector instruction for many columns.  All sums are in float64, in ascending order of the
values, so rows may come in any order.
"""

import numba
import numpy as np
from numba import float32, float64, int64, void
from numpy.typing import NDArray

from fedplat.aggregators.addresses import row
from fedplat.aggregators.kinds import NEAREST_MEDIAN, SIGNS, TRIMMED
from fedplat.aggregators.lanes import MIXED, SINGLES, WIDE, add_some, exchange, fetch, inside, mix

BUILT_ON = "bee5f5e5e0fac142"  # hash of the files compiled into these loops: a cache misses theirs

LANES = WIDE * SINGLES  # a tile's width is a multiple
CACHED = 1 << 13
DENSE = 2  # a mixing is multiplied as a whole if more than a DENSE-th of its weights are its own

Addresses = NDArray[np.int64]
Matrix = NDArray[np.float64]

_compiled = numba.njit(nogil=True, cache=True, fastmath=False, error_model="numpy")
_inlined = numba.njit(nogil=True, cache=True, fastmath=False, error_model="numpy", inline="always")


@_compiled
def _load(addresses, start, width, tile):  # type: ignore[no-untyped-def]
    """Fills the tile, and has what comes next fetched while this is worked on."""
    size = 4 * tile.shape[1]
    for i in range(len(addresses)):
        values = row(addresses[i], start, width)
        fetch(addresses[i] + 4 * start + size, size)  # type: ignore[call-arg]
        for j in range(width):
            tile[i, j] = values[j]


@_compiled
def _mix_all(panels, source, tile):  # type: ignore[no-untyped-def]
    """Rows of `tile` become sums of the source's rows, rounded once."""
    stride = 4 * source.shape[1]
    for panel in range(len(panels)):
        shares = panels[panel:].ctypes.data
        for start in range(0, stride, 4 * SINGLES):
            begin = source.ctypes.data + start
            out = tile[panel * MIXED :].ctypes.data + start
            mix(shares, len(source), begin, out, stride)  # type: ignore[call-arg]


@_compiled
def _mix_some(places, starts, weights, source, tile):  # type: ignore[no-untyped-def]
    """As `_mix_all`: what most rows have in common is summed once, then each row's differences.

    The weights and their places among the source's rows stand one after another: those in common,
    then row by row, each from its start on.
    """
    base, sums = np.empty(LANES), np.empty(LANES)
    stride = 4 * source.shape[1]
    for column in range(0, source.shape[1], LANES):
        begin = source.ctypes.data + 4 * column
        base[:] = 0
        chosen, shares, at = places.ctypes.data, weights.ctypes.data, base.ctypes.data
        add_some(chosen, shares, starts[1], begin, stride, at)  # type: ignore[call-arg]
        for a in range(len(starts) - 2):
            first, last = starts[a + 1], starts[a + 2]
            sums[:] = base
            chosen, shares = places[first:].ctypes.data, weights[first:].ctypes.data
            at = sums.ctypes.data
            add_some(chosen, shares, last - first, begin, stride, at)
            for j in range(LANES):
                tile[a, column + j] = np.float32(sums[j])


@_compiled
def _sort(tile, comparisons):  # type: ignore[no-untyped-def]
    stride = 4 * tile.shape[1]
    begin = tile.ctypes.data
    for c in range(len(comparisons)):
        low, high = begin + stride * comparisons[c, 0], begin + stride * comparisons[c, 1]
        for start in range(0, stride, 4 * LANES):
            exchange(low + start, high + start)  # type: ignore[call-arg]


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
def _count(copy, tile, width, start, stop, first, low, high, counts):  # type: ignore[no-untyped-def]
    """Adds to each row's count the columns in which its value lies between the first and last kept.

    Where `first` is negative these are rows `start` and `stop` - 1 of the sorted tile.
    """
    lanes = tile.shape[1]
    low[width:], high[width:] = 1, 0
    for j in range(width):
        begin = start if first[j] < 0 else first[j]
        low[j], high[j] = tile[begin, j], tile[begin + stop - start - 1, j]
    least, most = low.ctypes.data, high.ctypes.data
    for i in range(len(counts)):
        values = copy[i:].ctypes.data
        for at in range(0, 4 * lanes, 4 * SINGLES):
            counts[i] += inside(values + at, least + at, most + at)  # type: ignore[call-arg]


def columns(
    addresses: Addresses,
    mixing: Matrix,
    comparisons: NDArray[np.int64],
    kind: int,
    start: int,
    stop: int,
    out: NDArray[np.float32],
    counts: NDArray[np.int64],
) -> None:
    """Fills `out` from `len(out)` columns of the rows, mixed first where `mixing` has rows.

    `kind`: TRIMMED is the mean of the sorted places from `start` to `stop`; NEAREST_MEDIAN and
    NEAREST_TRIMMED are that of the `stop - start` values nearest to the median, or to the mean
    without the `start` values at either end; SIGNS the sign of most.  `counts` are added how often
    each row's value was one of those.
    Shapes: `addresses` (n,), `mixing` (0 or m, n), `comparisons` (c, 2), `counts` (m or n,).
    """
    panels, places, starts, weights = _laid_out(mixing)
    _columns(
        addresses,
        len(mixing),
        panels,
        places,
        starts,
        weights,
        comparisons,
        kind,
        start,
        stop,
        out,
        counts,
    )


def _laid_out(mixing: Matrix) -> tuple[Matrix, Addresses, Addresses, Matrix]:
    """The weights for `_mix_all` in panels, or, if these are empty, for `_mix_some`.

    Shapes: `panels` (⌈m / MIXED⌉ or 0, n, MIXED), `places` and `weights` of what is not 0 in the
    common weights and in all differences from them, `starts` (m + 2,).
    """
    m, n = mixing.shape
    common = mixing.max(axis=0, initial=0)
    common[2 * np.count_nonzero(mixing == common, axis=0) <= m] = 0
    rest = np.concatenate([common[None], mixing - common])
    rows, places = (np.ascontiguousarray(one) for one in np.nonzero(rest))
    starts = np.searchsorted(rows, np.arange(m + 2)).astype(np.int64)
    panels = np.empty((0, n, MIXED))
    if DENSE * len(places) > mixing.size:
        panels = np.zeros((-(-m // MIXED), MIXED, n))
        panels.reshape(-1, n)[:m] = mixing
        panels = np.ascontiguousarray(panels.transpose(0, 2, 1))
    return panels, places, starts, rest[rows, places]


@numba.njit(
    [
        void(
            int64[::1],
            int64,
            float64[:, :, ::1],
            int64[::1],
            int64[::1],
            float64[::1],
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
def _columns(  # type: ignore[no-untyped-def]
    addresses,
    m,
    panels,
    places,
    starts,
    weights,
    comparisons,
    kind,
    start,
    stop,
    out,
    counts,
):
    n = m if m else len(addresses)
    most = max(n, len(addresses))
    lanes = max(1, min(8, CACHED // max(1, most) // LANES)) * LANES
    held = (most + MIXED - 1) // MIXED * MIXED
    # zeros, for columns beyond the last are mixed and sorted too
    copy = np.zeros((held, lanes), dtype=np.float32)
    tile = np.zeros((held, lanes), dtype=np.float32)
    means, centres = np.empty(lanes), np.empty(lanes)
    first = np.empty(lanes, dtype=np.int64)
    low, high = np.empty(lanes, dtype=np.float32), np.empty(lanes, dtype=np.float32)
    for begin in range(0, len(out), lanes):
        width = min(lanes, len(out) - begin)
        if m:
            _load(addresses, begin, width, tile)
            if len(panels):
                _mix_all(panels, tile[: len(addresses)], copy)
            else:
                _mix_some(places, starts, weights, tile[: len(addresses)], copy)
        else:
            _load(addresses, begin, width, copy)
        first[:] = -1
        tile[:n] = copy[:n]
        _sort(tile, comparisons)
        if kind == TRIMMED:
            _mean(tile, width, start, stop, means)
        elif kind == SIGNS:
            _vote(tile[:n], width, means)
        else:
            if kind == NEAREST_MEDIAN:
                _mean(tile, width, (n - 1) // 2, n // 2 + 1, centres)
            else:
                _mean(tile, width, start, n - start, centres)
            _nearest(tile[:n], width, stop - start, centres, first, means)
        if kind == SIGNS:
            counts[:] += width
        else:
            _count(copy, tile, width, start, stop, first, low, high, counts)
        for j in range(width):
            out[begin + j] = np.float32(means[j])
