"""Numbers to the nearest of a few levels ±magnitude, and back; the commonest symbol is 0.

Symbol 2·i is the i-th magnitude, the smallest first, and 2·i + 1 is minus that.
"""

from functools import lru_cache
from typing import no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
Symbols = NDArray[np.int16]

CELLS = 128  # cells of the table that finds a level, per unit

_compiled = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")


def normalised(values: Values, room: Values) -> float:
    """Writes √d·x/‖x‖ to `room`, and zeros behind it up to d values; returns ‖x‖/√d.

    All zeros, if x is.
    """
    return float(_normalise(values, room))


def nearest(numbers: Values, magnitudes: Values, symbols: Symbols) -> tuple[float, float]:
    """Writes each number's symbol; returns ⟨z, Q(z)⟩ and ‖Q(z)‖², in float64.

    `magnitudes` ascend, 1/`CELLS` apart or more.  Ties go to the smaller magnitude.
    Guarantees: sums are taken in an order of their own (two interleaved), the same on every CPU.
    """
    bounds, first = _cells(magnitudes.tobytes())
    dot, square = _nearest(numbers, magnitudes, bounds, first, symbols)
    return float(dot), float(square)


def restore(symbols: Symbols, magnitudes: Values, room: Values) -> None:
    """Writes each symbol's level.  Every symbol must lie below 2 · len(magnitudes)."""
    _restore(symbols, magnitudes, room)


def scale(values: Values, factor: float) -> None:
    """Multiplies in place; what float32 can not hold becomes its largest number."""
    _scale(values, factor, float(np.finfo(np.float32).max))


@lru_cache(maxsize=16)
def _cells(magnitudes: bytes) -> tuple[Values, Symbols]:
    """The bounds between magnitudes, and how many lie below each of the cells of equal width.

    In no cell lie two, so one comparison tells the rest.
    """
    levels = np.frombuffer(magnitudes, dtype=np.float32)
    bounds = (levels[1:] + levels[:-1]) / np.float32(2)
    last = int(levels[-1]) + 1  # beyond this there is no bound
    edges = np.arange(last * CELLS + 1, dtype=np.float32) / np.float32(CELLS)
    first = np.searchsorted(bounds, edges, side="left").astype(np.int16)
    return np.append(bounds, np.float32(np.inf)), first


@_compiled
@no_type_check
def _normalise(values, room):
    size = np.sqrt(_square(values) / len(room))
    factor = 1.0 / size if size > 0 else 0.0
    for i in range(len(values)):
        room[i] = np.float32(np.float64(values[i]) * factor)
    room[len(values) :] = 0.0
    return size


@_compiled
@no_type_check
def _square(values):
    s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
    whole = len(values) & ~3
    for i in range(0, whole, 4):
        s0 += np.float64(values[i]) * np.float64(values[i])
        s1 += np.float64(values[i + 1]) * np.float64(values[i + 1])
        s2 += np.float64(values[i + 2]) * np.float64(values[i + 2])
        s3 += np.float64(values[i + 3]) * np.float64(values[i + 3])
    for i in range(whole, len(values)):
        s0 += np.float64(values[i]) * np.float64(values[i])
    return (s0 + s1) + (s2 + s3)


@_compiled
@no_type_check
def _nearest(numbers, magnitudes, bounds, first, symbols):
    d0, d1, q0, q1 = 0.0, 0.0, 0.0, 0.0
    last = np.float32(len(first) - 1)
    for i in range(len(numbers)):
        size = abs(numbers[i])
        index = np.int64(first[np.int64(min(size * np.float32(CELLS), last))])
        index += size > bounds[index]
        level = np.float64(magnitudes[index])
        symbols[i] = 2 * index + (numbers[i] < 0)
        d0, d1 = d1, d0 + np.float64(size) * level
        q0, q1 = q1, q0 + level * level
    return d0 + d1, q0 + q1


@_compiled
@no_type_check
def _restore(symbols, magnitudes, room):
    for i in range(len(symbols)):
        level = magnitudes[symbols[i] >> 1]
        room[i] = -level if symbols[i] & 1 else level


@_compiled
@no_type_check
def _scale(values, factor, largest):
    for i in range(len(values)):
        values[i] = np.float32(max(min(np.float64(values[i]) * factor, largest), -largest))
