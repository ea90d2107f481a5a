"""Random words from a key and a counter: integers alone, so equal on every machine.

Word i of a key is SplitMix64's i-th output from that state.
Source: Steele, Lea, Flood 2014, "Fast Splittable Pseudorandom Number Generators".
"""

from typing import no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

LARGEST = 1 << 32  # one above the most that `drawn` draws from

_compiled = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")


def words(key: int, count: int) -> NDArray[np.uint64]:
    """The first `count` words of `key`."""
    found = np.empty(count, dtype=np.uint64)
    _fill(np.uint64(key), found)
    return found


def chosen(key: int, k: int, n: int) -> NDArray[np.int64]:
    """`k` of the positions below `n`, ascending: those of `drawn`."""
    return np.flatnonzero(drawn(key, k, n))


def drawn(key: int, k: int, n: int) -> NDArray[np.bool_]:
    """Which of `n` positions are drawn, `k` in all; every set of k is as likely as any other.

    Guarantees: one word a position; no chance is off by more than 2⁻⁶⁴.
    Raises: ValueError, unless 0 ≤ k ≤ n < 2³².
    Source: Knuth, "The Art of Computer Programming" 2, §3.4.2, Algorithm S.
    """
    if not 0 <= k <= n < LARGEST:
        raise ValueError(f"k of n positions need 0 <= k <= n < 2**32, got k={k}, n={n}")
    there = np.full(n, k == n, dtype=np.bool_)
    if k < n:
        _draw(np.uint64(key), k, there)
    return there


@_compiled
@no_type_check
def word(key, index):
    """Word `index` of `key`."""
    z = key + np.uint64(0x9E3779B97F4A7C15) * np.uint64(index + 1)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@_compiled
@no_type_check
def _fill(key, found):
    for i in range(len(found)):
        found[i] = word(key, i)


@_compiled
@no_type_check
def _draw(key, k, there):
    low = np.uint64(0xFFFFFFFF)
    wide = np.uint64(32)
    count = 0
    for i in range(len(there)):
        left = np.uint64(len(there) - i)
        z = word(
            key, i
        )  # the 64 × 32 bits of z · left, of which the highest 32 are a number < left
        drawn = ((z >> wide) * left + (((z & low) * left) >> wide)) >> wide
        if drawn < np.uint64(k - count):
            there[i] = True
            count += 1
            if count == k:
                return
