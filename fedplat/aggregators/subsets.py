"""All sets of n − f rows: how many there are, and which is the least by some measure."""

from collections.abc import Callable, Iterator
from itertools import combinations, islice
from math import comb

import numpy as np
from numpy.typing import NDArray

from fedplat.aggregators.geometry import Matrix
from fedplat.aggregators.rules import require

MOST = 1_000_000  # sets that are tried
AT_ONCE = 4096
PAIRS = 1 << 22  # of rows in the sets that are tried at once, so that memory has a bound

Sets = NDArray[np.int64]


def least(rule: str, n: int, f: int, measure: Callable[[Sets], Matrix]) -> NDArray[np.int64]:
    """The set of n − f rows with the least measure; of equal ones the first in lexical order.

    `measure` gives a number for each row of sets.  Shapes: (sets, n − f) → (sets,).
    Raises: ToleranceError, if n < 2f + 1, or there are more than 10⁶ such sets.
    """
    feasible(rule, n, f)
    found, smallest = np.arange(n - f), np.inf
    for sets in _batches(n, n - f):
        values = measure(sets)
        first = int(np.argmin(values))
        if values[first] < smallest:
            found, smallest = sets[first], float(values[first])
    return found


def feasible(rule: str, n: int, f: int) -> None:
    """Raises: ToleranceError, if n < 2f + 1, or there are more than 10⁶ sets."""
    require(n >= 2 * f + 1, rule, "n >= 2f + 1", n, f)
    require(comb(n, f) <= MOST, rule, f"at most {MOST:,} sets of n - f rows", n, f)


def _batches(n: int, size: int) -> Iterator[Sets]:
    chosen = combinations(range(n), size)
    at_once = max(1, min(AT_ONCE, PAIRS // max(1, size * size)))
    while batch := list(islice(chosen, at_once)):
        yield np.array(batch, dtype=np.int64).reshape(-1, size)
