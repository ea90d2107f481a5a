"""One-dimensional k-means: optimal on a fine histogram, then settled on the values themselves.

Values are counted in cells by sign, exponent and first mantissa bits, so a cell is at most 1 % as
wide as its values are large.  Where few cells are occupied (values that differ by little from one
another) cells of equal width are taken.  Sums are float64, in a fixed order.
"""

from typing import no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

CELLS = 1 << 16
FEW = 256  # occupied cells below which equal widths resolve more
WIDTHS = 2048  # cells of equal width
SETTLING = 1  # Lloyd's iterations on the values, after the optimum on cells
FINE = 256  # cells narrower than the mean magnitude by this are merged
TILE = 512

Values = NDArray[np.float32]
Centroids = NDArray[np.float64]
Labels = NDArray[np.int16]
Counts = NDArray[np.int64]

_compiled = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")


def optimal(values: Values, clusters: int) -> Centroids:
    """Returns ascending centroids with the least squared error, as far as cells resolve.

    The optimum of all partitions between cells (dynamic programming over ascending borders), then
    Lloyd's iterations on the values, none of which raises the error.
    Shapes: `values` (n,), n ≥ 1 → (m,), m ≤ `clusters`: fewer, if fewer cells are occupied.
    """
    counts, sums = _by_exponent(values)
    if np.count_nonzero(counts) < FEW:
        low, high = float(values.min()), float(values.max())
        counts, sums = _by_width(values, low, (WIDTHS - 1) / max(high - low, 1e-300))
    else:
        counts, sums = _merged(counts, sums)
    kept = np.flatnonzero(counts)
    found: Centroids = _partition(counts[kept], sums[kept], min(clusters, len(kept)))
    for _ in range(SETTLING):
        found = means(values, nearest(values, found), found)[1]
    return found


def nearest(values: Values, centroids: Centroids) -> Labels:
    """Returns the index of the nearest of ascending centroids; halfway, the lower one's."""
    borders = ((centroids[1:] + centroids[:-1]) / 2).astype(np.float32)
    labels = np.empty(len(values), dtype=np.int16)
    _label(values, borders, labels)
    return labels


def means(
    values: Values, labels: Labels, before: Centroids, only_nonzero: bool = False
) -> tuple[Counts, Centroids]:
    """Returns each label's count and its values' mean, or what it was before, where none are.

    With `only_nonzero`, the means of all but the middle label leave out values that are exactly 0.
    """
    middle = len(before) // 2 if only_nonzero else -1
    counts, shares, sums = _totals(values, labels, len(before), middle)
    return counts, np.where(shares > 0, sums / np.maximum(shares, 1), before)


@_compiled
@no_type_check
def _by_exponent(values):
    """Count and sum of each cell, cells by ascending values."""
    counts, sums = np.zeros(CELLS, dtype=np.int64), np.zeros(CELLS, dtype=np.float64)
    bits = values.view(np.uint32)
    for i in range(len(values)):
        key = np.int64(bits[i] >> np.uint32(16))
        cell = CELLS - 1 - key if key >= CELLS // 2 else key + CELLS // 2
        counts[cell] += 1
        sums[cell] += values[i]
    return counts, sums


@_compiled
@no_type_check
def _merged(counts, sums):
    """The same cells, but no two with means much closer than the mean magnitude / FINE."""
    magnitude, values = 0.0, 0
    for cell in range(CELLS):
        magnitude += abs(sums[cell])
        values += counts[cell]
    least = magnitude / values / FINE
    merged, added = np.zeros(CELLS, dtype=np.int64), np.zeros(CELLS, dtype=np.float64)
    at, limit = -1, -np.inf
    for cell in range(CELLS):
        if counts[cell] == 0:
            continue
        mean = sums[cell] / counts[cell]
        if mean > limit:
            at, limit = at + 1, mean + least
        merged[at] += counts[cell]
        added[at] += sums[cell]
    return merged, added


@_compiled
@no_type_check
def _by_width(values, low, scale):
    counts, sums = np.zeros(WIDTHS, dtype=np.int64), np.zeros(WIDTHS, dtype=np.float64)
    for i in range(len(values)):
        cell = np.int64((np.float64(values[i]) - low) * scale)
        counts[cell] += 1
        sums[cell] += values[i]
    return counts, sums


@_compiled
@no_type_check
def _label(values, borders, labels):
    found = np.empty(TILE, dtype=np.int32)
    for start in range(0, len(values), TILE):
        part = values[start : start + TILE]
        tile = found[: len(part)]
        tile[:] = 0
        for j in range(len(borders)):
            border = borders[j]
            for i in range(len(part)):
                tile[i] += np.int32(part[i] > border)
        for i in range(len(part)):
            labels[start + i] = np.int16(tile[i])


@_compiled
@no_type_check
def _totals(values, labels, clusters, middle):
    """Count of each label, count of what its mean is of, and their sum."""
    lanes = 4  # neighbouring values often have one label: their sums would wait for one another
    counts = np.zeros((lanes, clusters), dtype=np.int64)
    zeros = np.zeros(clusters, dtype=np.int64)
    sums = np.zeros((lanes, clusters), dtype=np.float64)
    for i in range(len(values)):
        counts[i % lanes, labels[i]] += 1
        sums[i % lanes, labels[i]] += values[i]
    if middle >= 0:
        for i in range(len(values)):
            if values[i] == 0 and labels[i] != middle:
                zeros[labels[i]] += 1
    for lane in range(1, lanes):
        counts[0] += counts[lane]
        sums[0] += sums[lane]
    return counts[0], counts[0] - zeros, sums[0]


@_compiled
@no_type_check
def _partition(counts, sums, clusters):
    """The means of the best partition of ascending cells into runs.

    The last border of the best partition of the first `end` cells grows with `end`, so the borders
    of all ends are found by halving: O(clusters · cells · log cells).
    """
    cells = len(counts)
    weight, total = np.zeros(cells + 1), np.zeros(cells + 1)
    for i in range(cells):
        weight[i + 1] = weight[i] + counts[i]
        total[i + 1] = total[i] + sums[i]
    centre = total[cells] / weight[cells]
    for i in range(cells + 1):
        total[i] -= weight[i] * centre  # costs are differences of squares: small numbers are exact
    cost, following = np.zeros(cells + 1), np.zeros(cells + 1)
    for end in range(1, cells + 1):
        cost[end] = -total[end] * total[end] / weight[end]
    border = np.zeros((clusters, cells + 1), dtype=np.int64)
    for k in range(1, clusters):
        _borders(cost, weight, total, border[k], following)
        cost[:] = following
    found, end = np.zeros(clusters), cells
    for k in range(clusters - 1, -1, -1):
        start = border[k, end]
        if weight[end] > weight[start]:
            found[k] = centre + (total[end] - total[start]) / (weight[end] - weight[start])
        else:
            found[k] = found[k + 1]
        end = start
    return found


@_compiled
@no_type_check
def _borders(cost, weight, total, border, following):
    """The best last border for every end, and its cost; a stack of halves in place of recursion."""
    stack = np.empty((128, 4), dtype=np.int64)
    stack[0] = (0, len(cost) - 1, 0, len(cost) - 1)
    depth = 1
    while depth > 0:
        depth -= 1
        first, last, low, high = stack[depth]
        if first > last:
            continue
        end = (first + last) // 2
        best, at = np.inf, low
        for start in range(low, min(end, high) + 1):
            share, sum_ = weight[end] - weight[start], total[end] - total[start]
            found = cost[start] - (sum_ * sum_ / share if share > 0 else 0.0)
            if found < best:
                best, at = found, start
        following[end], border[end] = best, at
        stack[depth] = (first, end - 1, low, at)
        stack[depth + 1] = (end + 1, last, at, high)
        depth += 2
