"""Sorting networks: which places to compare, in which order, whatever stands there."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Comparisons = NDArray[np.int64]


@lru_cache(maxsize=64)
def sorting(count: int, start: int, stop: int) -> Comparisons:
    """Comparisons after which places `start` to `stop` hold what they hold in ascending order.

    Each pair (a, b), a < b, puts the smaller of two into a and the larger into b.
    Shapes: (comparisons, 2).
    Source: Batcher 1968, "Sorting networks and their applications" (odd-even merge sort), without
    the comparisons that no place from `start` to `stop` depends on.
    """
    kept = _needed(_odd_even_merge(count), range(start, stop))
    return np.array(kept, dtype=np.int64).reshape(-1, 2)


def _odd_even_merge(count: int) -> list[tuple[int, int]]:
    pairs, run = [], 1
    while run < count:
        gap = run
        while gap >= 1:
            pairs += [pair for pair in _apart(count, run, gap) if _in_one(pair, 2 * run)]
            gap //= 2
        run *= 2
    return pairs


def _apart(count: int, run: int, gap: int) -> Iterator[tuple[int, int]]:
    for first in range(gap % run, count - gap, 2 * gap):
        for low in range(first, first + min(gap, count - first - gap)):
            yield low, low + gap


def _in_one(pair: tuple[int, int], size: int) -> bool:
    return pair[0] // size == pair[1] // size


def _needed(pairs: list[tuple[int, int]], places: Iterable[int]) -> list[tuple[int, int]]:
    wanted, kept = set(places), []
    for pair in reversed(pairs):
        if wanted.intersection(pair):
            wanted.update(pair)
            kept.append(pair)
    return kept[::-1]
