"""The best partition of ascending cells into runs: one-dimensional k-means of a histogram."""

from typing import no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

SETTLING = 100  # Lloyd's iterations on cells: each takes microseconds

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]

_compiled = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")


def centroids(counts: Counts, sums: Numbers, edges: Counts, clusters: int) -> Numbers:
    """Returns the means, ascending, of `clusters` runs of cells with nearly the least error.

    The optimum of all partitions at `edges`, then Lloyd's iterations on all cells.
    Shapes: `counts`, `sums` (cells,); `edges` (runs + 1,) from 0 to cells → (min(clusters, runs),).
    """
    weight = np.append(0.0, np.cumsum(counts))
    total = np.append(0.0, np.cumsum(sums))
    centre = total[-1] / weight[-1]
    total -= weight * centre  # costs are differences of squares: small numbers are exact
    borders = _partition(weight[edges], total[edges], min(clusters, len(edges) - 1))
    means = sums / counts
    ends = _settled(means - centre, weight, total, edges[borders])
    found: Numbers = _means_of_runs(means, counts, sums, ends)
    return found


@_compiled
@no_type_check
def _settled(means, weight, total, ends):
    """The edges of runs after Lloyd's iterations on cells, none of which raises the error."""
    clusters = len(ends) - 1
    found = np.full(clusters, means[-1])
    for _ in range(SETTLING):
        for k in range(clusters - 1, -1, -1):
            share = weight[ends[k + 1]] - weight[ends[k]]
            if share > 0:
                found[k] = (total[ends[k + 1]] - total[ends[k]]) / share
            elif k + 1 < clusters:
                found[k] = found[k + 1]
        moved = False
        for k in range(1, clusters):
            end = np.searchsorted(means, (found[k - 1] + found[k]) / 2, side="right")
            end = max(end, ends[k - 1])  # where sums differ by 1e16 and more, means can fall
            moved |= end != ends[k]
            ends[k] = end
        if not moved:
            break
    return ends


@_compiled
@no_type_check
def _means_of_runs(means, counts, sums, ends):
    """Ascending, whatever is rounded; of an empty run, the next one's."""
    clusters = len(ends) - 1
    found = np.full(clusters, means[-1])
    for k in range(clusters - 1, -1, -1):
        start, end = ends[k], ends[k + 1]
        if k + 1 < clusters:
            found[k] = found[k + 1]
        if end <= start:
            continue
        count, sum_ = 0, 0.0
        for cell in range(start, end):
            count += counts[cell]
            sum_ += sums[cell]
        found[k] = min(max(sum_ / count, means[start]), means[end - 1])
    return found


@_compiled
@no_type_check
def _partition(weight, total, clusters):
    """The edges of the best partition of ascending cells into runs, 0 and the last included.

    `weight`, `total`: cumulative, from 0, the latter of what is centred.
    The last border of the best partition of the first `end` cells grows with `end`, so the borders
    of all ends are found by halving: O(clusters · cells · log cells).
    """
    cells = len(weight) - 1
    cost, following = np.zeros(cells + 1), np.zeros(cells + 1)
    for end in range(1, cells + 1):
        cost[end] = -total[end] * total[end] / weight[end]
    border = np.zeros((clusters, cells + 1), dtype=np.int32)
    for k in range(1, clusters):
        _borders(cost, weight, total, border[k], following)
        cost[:] = following
    edges = np.zeros(clusters + 1, dtype=np.int64)
    edges[clusters] = cells
    for k in range(clusters - 1, 0, -1):
        edges[k] = border[k, edges[k + 1]]
    return edges


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
