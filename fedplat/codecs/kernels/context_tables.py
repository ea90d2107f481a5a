"""The logistic function and its inverse as tables of integers, made of integers alone.

A chance is in units of 2⁻¹⁶, a log-odds ("stretched" chance) in units of 1/256 nat.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

ONE = 1 << 16  # a chance of 1
REACH = 2900  # the largest log-odds: a chance of 1 - 2⁻¹⁶
LIMIT = 1023  # how many observations a chance is the mean of, at most, where both bits are usual
SLOWEST, FASTEST = 12, 400  # how far weights move in the end, and further at first
_DIGITS = 1 << 160


@lru_cache(maxsize=1)
def squashed() -> NDArray[np.int64]:
    """The chance, from 1 to 65,535, of the log-odds `index - REACH`.

    Guarantees: the nearest integer to 2¹⁶ / (1 + exp(-x / 256)); the same on every machine.
    Shapes: (2 · REACH + 1,).
    """
    step, term = 0, _DIGITS
    for k in range(1, 60):  # exp(1/256) as a Taylor series
        step, term = step + term, term // (256 * k)
    power, upper = _DIGITS, []
    for _ in range(REACH + 1):
        upper.append((2 * ONE * power + power + _DIGITS) // (2 * (power + _DIGITS)))
        power = power * step // _DIGITS
    upper = [min(one, ONE - 1) for one in upper]
    return np.array([ONE - one for one in upper[:0:-1]] + upper, dtype=np.int64)


@lru_cache(maxsize=1)
def stretched() -> NDArray[np.int16]:
    """The log-odds of the chance `index`: where `squashed` first reaches it.

    Shapes: (65,536,).
    """
    upper = np.searchsorted(squashed(), np.arange(ONE // 2, ONE)) - REACH
    upper = np.minimum(upper, REACH)
    return np.concatenate([[-REACH], -upper[:0:-1], upper]).astype(np.int16)


@lru_cache(maxsize=3)
def paces(limit: int = LIMIT) -> NDArray[np.int64]:
    """How far a chance goes towards its nth observation, in units of 2⁻¹⁶: 1 / (n + 1.5)."""
    return 2 * ONE // (2 * np.arange(limit + 1, dtype=np.int64) + 3)


@lru_cache(maxsize=1)
def haste() -> NDArray[np.int64]:
    """How far weights move against an error, by how often they were moved, in 256s."""
    return SLOWEST + FASTEST // (1 + np.arange(FASTEST + 1, dtype=np.int64))
