"""One-dimensional k-means: optimal on a histogram, settled on its cells, then on the values.

A cell is the values of one sign, exponent and first mantissa bits, so it is at most 1 % as wide as
its values are large.  Where few cells are occupied (values that differ by little from one another)
they are cut once more, by the next bits; few values are a cell each.

Two passes over the values: one counts and sums each cell, one looks the label of a cell up.  Only
values in cells with a border between two clusters inside are compared with it.
"""

from dataclasses import dataclass
from typing import no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

from fedplat.codecs.kernels import runs

SORTED = 512  # values up to which each is a cell
KEYS = 1 << 16
FEW = 256  # occupied cells below which they are cut once more
RUNS = 512  # runs of cells that the best partition is sought among, and MORE a cluster
MORE = 8
BITS = 16  # low bits of a float32 that do not tell its cell
PARTS = 14  # log2 of the cells, at most, that are cut out of few
COUNT = 40  # a cell's count is above this bit, the sum of its values' low bits below
LOWS = (1 << COUNT) - 1
CHUNK = 1 << 22  # values, at most, that such a sum has room for
TILE = 512

Values = NDArray[np.float32]
Bits = NDArray[np.uint32]
Numbers = NDArray[np.float64]
Centroids = NDArray[np.float64]
Labels = NDArray[np.int16]
Counts = NDArray[np.int64]

_compiled = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Occupied cells by ascending values.

    `low`, `high`: the ends of the range.  Shapes: all (cells,).
    """

    keys: Counts
    low: Values
    high: Values
    counts: Counts
    sums: Numbers

    def centroids(self, clusters: int) -> Centroids:
        """Ascending; those of the best partition into runs of cells, settled on the cells."""
        edges = self._runs(RUNS + MORE * clusters)
        return runs.centroids(self.counts, self.sums, edges, clusters)

    def _runs(self, most: int) -> Counts:
        """Where runs of cells begin, and the last one's end.

        Half of them by how much lies where, about as the density of best centroids; a quarter are
        of equal width, so that what is far from all else is alone; a quarter of equally many cells.
        """
        cells = len(self.counts)
        if cells <= most:
            return np.arange(cells + 1)
        width = self.high.astype(np.float64) - self.low
        measure = np.cumsum(np.sqrt(self.counts * width * np.sqrt(np.sqrt(width / self.counts))))
        apart = self.low - np.float64(self.low[0])
        share = 2 * measure / measure[-1] + apart / apart[-1] + np.arange(cells) / cells
        run = (share * (most / 4)).astype(np.int64)
        return np.concatenate([[0], np.flatnonzero(np.diff(run)) + 1, [cells]])


def optimal(values: Values, clusters: int) -> tuple[Labels, Centroids]:
    """Returns the labels by falling count, and the centroids, with nearly the least squared error.

    Not the optimum on the values: the least error of all partitions into runs of cells (dynamic
    programming), then 100 of Lloyd's iterations on the cells at most, then one on the values.
    Guarantees: each centroid is the mean of what has its label.  Same bits on every CPU.
    Shapes: `values` (n,), n ≥ 1 → (n,), (m,), m ≤ `clusters`: fewer, if fewer cells are occupied.
    """
    if len(values) <= SORTED:
        return _compared(values, _each(values).centroids(clusters))
    bits = values.view(np.uint32)
    cells = _by_exponent(bits)
    if len(cells.counts) < FEW:
        return _compared(values, _cut(bits, cells).centroids(clusters))
    return _looked_up(values, cells, cells.centroids(clusters))


def evenly_spaced(values: Values, clusters: int, iterations: int) -> tuple[Labels, Centroids]:
    """Returns the labels by falling count, and the centroids, after Lloyd's iterations.

    They begin at equal distances between the least value and the largest.  The means of all but
    the middle label leave out values that are exactly 0.
    Shapes: `values` (n,), n ≥ 1 → (n,), (`clusters`,).
    """
    labels = np.empty(len(values), dtype=np.int16)
    centroids, counts = _refined(values, clusters, iterations, labels)
    return by_count(labels, counts, centroids)


def by_count(labels: Labels, counts: Counts, centroids: Centroids) -> tuple[Labels, Centroids]:
    """Returns the labels numbered by falling count, and the centroids in that order."""
    order = np.argsort(-counts, kind="stable")
    return _inverse(order)[labels], centroids[order]


def nearest(values: Values, centroids: Centroids) -> Labels:
    """Returns the index of the nearest of ascending centroids; halfway, the lower one's."""
    labels = np.empty(len(values), dtype=np.int16)
    _label(values, _halfway(centroids), labels)
    return labels


def means(values: Values, labels: Labels, before: Centroids) -> tuple[Counts, Centroids]:
    """Returns each label's count and its values' mean, or what it was before, where none are."""
    counts, _, sums = _totals(values, labels, len(before), -1)
    return counts, np.where(counts > 0, sums / np.maximum(counts, 1), before)


def _each(values: Values) -> Cells:
    """Each value that occurs is a cell."""
    found, counts = np.unique(values, return_counts=True)
    return Cells(np.arange(len(found)), found, found, counts, found.astype(np.float64) * counts)


def _by_exponent(bits: Bits) -> Cells:
    packed = [_counted(bits[start : start + CHUNK]) for start in range(0, len(bits), CHUNK)]
    kept, counts, lows = _unpacked(packed)
    return _ascending(kept << BITS, counts, lows, BITS)


def _cut(bits: Bits, cells: Cells) -> Cells:
    """Each cell cut by the next bits.  Shapes: fewer than FEW cells."""
    keys = np.sort(cells.keys)
    low_bits = BITS + int(len(keys) - 1).bit_length() - PARTS
    parts = np.arange(1 << (BITS - low_bits))
    first = np.zeros(KEYS, dtype=np.int64)
    first[keys] = np.arange(len(keys)) * len(parts)
    starts = ((keys[:, None] << BITS) + (parts << low_bits)).ravel()
    packed = [
        _counted_finer(bits[start : start + CHUNK], first, len(starts), low_bits)
        for start in range(0, len(bits), CHUNK)
    ]
    kept, counts, lows = _unpacked(packed)
    return _ascending(starts[kept], counts, lows, low_bits)


def _unpacked(packed: list[Counts]) -> tuple[Counts, Counts, Counts]:
    """The cells with values in any chunk, their counts and their sums of low bits."""
    kept = np.flatnonzero(packed[0] if len(packed) == 1 else np.bitwise_or.reduce(packed))
    counts, lows = np.zeros(len(kept), dtype=np.int64), np.zeros(len(kept), dtype=np.int64)
    for chunk in packed:
        counts += chunk[kept] >> COUNT
        lows += chunk[kept] & LOWS
    return kept, counts, lows


def _ascending(starts: Counts, counts: Counts, lows: Counts, low_bits: int) -> Cells:
    """The cells, which are given by ascending first bits, by ascending values."""
    positive = int(np.searchsorted(starts, 1 << 31))
    order = np.concatenate([np.arange(len(starts))[positive:][::-1], np.arange(positive)])
    starts, counts, lows = starts[order], counts[order], lows[order]
    first = starts.astype(np.uint32)
    near = first.view(np.float32)  # what is nearest to 0 in a cell, and what is furthest
    far = (first + np.uint32((1 << low_bits) - 1)).view(np.float32)
    steps = (first + np.uint32(1)).view(np.float32).astype(np.float64) - near
    sums = counts * near.astype(np.float64) + lows * steps
    return Cells(starts >> BITS, np.minimum(near, far), np.maximum(near, far), counts, sums)


def _compared(values: Values, centroids: Centroids) -> tuple[Labels, Centroids]:
    """The labels of the nearest centroids, and their means, where each value has to be compared."""
    labels = nearest(values, centroids)
    return by_count(labels, *means(values, labels, centroids))


def _looked_up(values: Values, cells: Cells, before: Centroids) -> tuple[Labels, Centroids]:
    """The same, where most values are in cells that have one label."""
    borders = _halfway(before)
    lowest, highest = np.searchsorted(borders, cells.low), np.searchsorted(borders, cells.high)
    mixed, pure = lowest < highest, lowest == highest
    guess = _expected(cells, borders, lowest, highest)
    rank = _inverse(guess)
    table = np.zeros(KEYS, dtype=np.int16)
    table[cells.keys] = np.where(mixed, -1, rank[lowest])
    places = np.empty(int(cells.counts[mixed].sum()) + 1, dtype=np.int64)
    labels = np.empty(len(values), dtype=np.int16)
    _look_up(values.view(np.uint32), table, labels, places)
    places = places[:-1]
    rest = values[places]
    own = np.empty(len(rest), dtype=np.int16)
    _label(rest, borders, own)
    labels[places] = rank[own]
    most = len(before)
    counts = np.bincount(lowest[pure], cells.counts[pure], most) + np.bincount(own, None, most)
    sums = np.bincount(lowest[pure], cells.sums[pure], most) + np.bincount(own, rest, most)
    found = np.where(counts > 0, sums / np.maximum(counts, 1), before)
    order = np.argsort(-counts, kind="stable")
    if not np.array_equal(order, guess):
        _renumber(labels, _inverse(order)[guess])
    return labels, found[order]


def _expected(cells: Cells, borders: Values, lowest: Counts, highest: Counts) -> Counts:
    """The order by falling count as it is, if the values of a cell lie evenly: nearly always."""
    next_border = np.append(borders.astype(np.float64), np.inf)[lowest]
    width = cells.high.astype(np.float64) - cells.low
    below = cells.counts * np.minimum((next_border - cells.low) / width, 1.0)
    counts = np.bincount(lowest, below, len(borders) + 1)
    counts += np.bincount(highest, cells.counts - below, len(borders) + 1)
    return np.argsort(-counts, kind="stable")


def _inverse(order: Counts) -> Labels:
    rank = np.empty(len(order), dtype=np.int16)
    rank[order] = np.arange(len(order))
    return rank


@_compiled
@no_type_check
def _counted(bits):
    """Of each key, in one word, the count of values and the sum of their low bits."""
    packed = np.zeros(KEYS, dtype=np.int64)
    whole = len(bits) - len(bits) % 4
    for i in range(0, whole, 4):  # four are read before one is written: a fifth faster
        one, two, three, four = bits[i], bits[i + 1], bits[i + 2], bits[i + 3]
        _pack(packed, one)
        _pack(packed, two)
        _pack(packed, three)
        _pack(packed, four)
    for i in range(whole, len(bits)):
        _pack(packed, bits[i])
    return packed


@_compiled
@no_type_check
def _counted_finer(bits, first, cells, low_bits):
    """The same of each key's parts; `first` is the number of its first part."""
    packed, one = np.zeros(cells, dtype=np.int64), np.int64(1) << np.int64(COUNT)
    mask = (np.int64(1) << np.int64(low_bits)) - 1
    for i in range(len(bits)):
        low = np.int64(bits[i] & np.uint32(0xFFFF))
        cell = first[bits[i] >> np.uint32(16)] + (low >> np.int64(low_bits))
        packed[cell] += one + (low & mask)
    return packed


@_compiled
@no_type_check
def _pack(packed, bits):
    one = np.int64(1) << np.int64(COUNT)
    packed[bits >> np.uint32(16)] += one | np.int64(bits & np.uint32(0xFFFF))


@_compiled
@no_type_check
def _look_up(bits, table, labels, places):
    """Writes each key's label, and the places of those without one; `places` has room for one more.

    One branch for four values: which of them are next to a border is hard to foresee.
    """
    count, whole, high = 0, len(bits) - len(bits) % 4, np.uint32(16)
    for i in range(0, whole, 4):
        one, two = table[bits[i] >> high], table[bits[i + 1] >> high]
        three, four = table[bits[i + 2] >> high], table[bits[i + 3] >> high]
        labels[i], labels[i + 1], labels[i + 2], labels[i + 3] = one, two, three, four
        if (one | two | three | four) < 0:
            for j in range(i, i + 4):
                places[count] = j
                count += labels[j] < 0
    for i in range(whole, len(bits)):
        labels[i] = table[bits[i] >> high]
        places[count] = i
        count += labels[i] < 0


@_compiled
@no_type_check
def _renumber(labels, names):
    for i in range(len(labels)):
        labels[i] = names[labels[i]]


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
def _refined(values, clusters, iterations, labels):
    """Centroids, and how many values are nearest to each; their labels are written."""
    low, high = np.float64(values.min()), np.float64(values.max())
    centroids = np.arange(clusters) * ((high - low) / max(1, clusters - 1)) + low
    centroids[-1] = high if clusters > 1 else low
    for _ in range(iterations):
        _label(values, _halfway(centroids), labels)
        _, shares, sums = _totals(values, labels, clusters, clusters // 2)
        for k in range(clusters):
            if shares[k]:
                centroids[k] = sums[k] / shares[k]
    _label(values, _halfway(centroids), labels)
    return centroids, _totals(values, labels, clusters, -1)[0]


@_compiled
@no_type_check
def _halfway(centroids):
    """The borders between neighbouring centroids."""
    return ((centroids[1:] + centroids[:-1]) / 2).astype(np.float32) + np.float32(0)  # no -0
