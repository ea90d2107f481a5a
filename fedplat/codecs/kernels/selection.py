"""The k largest magnitudes of a vector, exactly, in one pass where a sample tells enough."""

from typing import no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

BLOCK = 32  # values whose maximum is one vector instruction or two: most blocks are skipped so
SAMPLE = 1 << 15
SMALL = 1 << 15  # up to here one partition of everything is fastest
MAGNITUDE = np.uint32(0x7FFF_FFFF)  # without the sign bit, floats are ordered as integers are
INFINITE = 0x7F80_0000  # the bits of infinity, the next above the largest number
COARSE = np.uint32(15)  # low bits that the first histogram leaves out

Values = NDArray[np.float32]
Bits = NDArray[np.uint32]
Positions = NDArray[np.int64]

_compiled = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")


def largest(values: Values, k: int, guess: float | None = None) -> Positions:
    """Returns the positions of the `k` largest magnitudes, ascending; ties go to the lowest.

    `guess` is a magnitude that about `k` values reach, as of the round before: it changes how long
    this takes, never what comes out.

    Guarantees: exact; O(n) on any input, 8 MB + 16·k bytes beside the input at most.
    Shapes: `values` (n,) → (min(k, n),).
    """
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    n, k = len(bits), min(k, len(bits))
    if k <= 0:
        return np.empty(0, dtype=np.int64)
    if k == n:
        return np.arange(n, dtype=np.int64)
    if n <= SMALL:
        return _exactly(bits, k, _kth(bits & MAGNITUDE, k))
    for floor in _floors(bits, k, guess):
        found = _reaching(bits, floor, 2 * k + 4096)
        if len(found) >= k:
            return found[_exactly(bits[found], k, _kth(bits[found] & MAGNITUDE, k))]
    return _exactly(bits, k, _kth_by_histogram(bits, k))


def reaching(values: Values, floor: float) -> Positions:
    """Returns the positions, ascending, of all values whose magnitude is `floor` or more."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    lowest = _rounded_up(floor)
    if lowest == 0:
        return np.arange(len(bits), dtype=np.int64)
    return _reaching(bits, lowest, len(bits))


def _rounded_up(floor: float) -> int:
    """The bits of the smallest float32 that is `floor` or more."""
    if floor > float(np.finfo(np.float32).max):
        return INFINITE
    near = np.float32(floor)
    return int(near.view(np.uint32)) + (float(near) < floor)


def _floors(bits: Bits, k: int, guess: float | None) -> list[int]:
    """Bits that a few more than `k` values may reach: by the guess, and by a sample."""
    floors = [] if guess is None or not guess > 0 else [_rounded_up(float(np.float32(guess)))]
    sample = bits[:: max(1, len(bits) // SAMPLE)] & MAGNITUDE
    wanted = len(sample) * k / len(bits)
    rank = int(wanted + 4 * wanted**0.5 + 4)
    return [*floors, _kth(sample, rank)] if rank < len(sample) else floors


def _kth(bits: Bits, k: int) -> int:
    at = len(bits) - k
    return int(np.partition(bits, at)[at])


def _reaching(bits: Bits, floor: int, most: int) -> Positions:
    """The positions of magnitudes of `floor` or more, or nothing, if they are more than `most`."""
    found = np.empty(min(most, len(bits)), dtype=np.int64)
    count = _collect(bits, np.uint32(floor), found)
    return found[:count] if count == len(bits) or count < len(found) else found[:0]


def _exactly(bits: Bits, k: int, kth: int) -> Positions:
    """The `k` largest, where `kth` is the smallest of them: all above, and the first that equal."""
    magnitudes = bits & MAGNITUDE
    above = np.flatnonzero(magnitudes > kth)
    equal = np.flatnonzero(magnitudes == kth)[: k - len(above)]
    return np.sort(np.concatenate([above, equal]))


def _kth_by_histogram(bits: Bits, k: int) -> int:
    """The k-th largest magnitude, in two passes over the bits, whatever they are."""
    coarse = _histogram(bits, np.uint32(0), COARSE, 1 << 16)
    bucket, above = _bucket(coarse, k)
    fine = _histogram(bits, np.uint32(bucket), np.uint32(0), 1 << int(COARSE))
    return (bucket << int(COARSE)) + _bucket(fine, k - above)[0]


def _bucket(counts: Positions, k: int) -> tuple[int, int]:
    """The bucket that holds the k-th largest, and how many values lie in those above it."""
    down = np.cumsum(counts[::-1])
    index = int(np.searchsorted(down, k))
    return len(counts) - 1 - index, int(down[index] - counts[len(counts) - 1 - index])


@_compiled
@no_type_check
def _append(block, start, floor, found, count):
    for j in range(len(block)):
        if block[j] & MAGNITUDE >= floor and count < len(found):
            found[count] = start + j
            count += 1
    return count


@_compiled
@no_type_check
def _collect(bits, floor, found):
    """Writes positions until `found` is full; returns how many."""
    count, room = 0, len(found)
    whole = len(bits) - len(bits) % BLOCK
    for start in range(0, whole, BLOCK):
        block = bits[start : start + BLOCK]
        highest = np.uint32(0)
        for j in range(BLOCK):
            highest = max(highest, block[j] & MAGNITUDE)
        if highest >= floor:
            count = _append(block, start, floor, found, count)
        if count == room:
            return count
    return _append(bits[whole:], whole, floor, found, count)


@_compiled
@no_type_check
def _histogram(bits, prefix, shift, buckets):
    """Counts the magnitudes by their bits above `shift`; at shift 0, those of one bucket."""
    counts = np.zeros(buckets, dtype=np.int64)
    low = np.uint32((1 << COARSE) - 1)
    for i in range(len(bits)):
        magnitude = bits[i] & MAGNITUDE
        if shift > 0:
            counts[magnitude >> shift] += 1
        elif magnitude >> COARSE == prefix:
            counts[magnitude & low] += 1
    return counts
