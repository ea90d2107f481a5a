"""Numbers to symbols and back, range by range, each range of entries with a step of its own.

Every result is the same on every CPU: integer arithmetic, single roundings of IEEE float32, and
float64 sums over 16 lanes in a fixed order.  `edges` are where ranges begin, and the last one ends.
"""

from typing import no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

LANES = 16
RUN = 1 << 16  # entries that share one random key
MAGNITUDE = np.uint32(0x7FFF_FFFF)
ROUND = np.float32(1.5 * 2**23)  # adding and taking it away rounds to the nearest even integer
UNIT = np.float32(2.0**-24)
HIGHEST = np.float32(np.finfo(np.float32).max)

Values = NDArray[np.float32]
Bits = NDArray[np.uint32]
Symbols = NDArray[np.int16]
Edges = NDArray[np.int64]

_compiled = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")


def peaks(values: Values, edges: Edges) -> Values:
    """Returns the largest magnitude of each range; 0 of an empty one."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    found: Bits = _peaks(bits, edges)
    return found.view(np.float32)


def squares(values: Values, edges: Edges) -> NDArray[np.float64]:
    """Returns the sum of squares of each range, in float64."""
    found: NDArray[np.float64] = _squares(values, edges)
    return found


def nearest(values: Values, edges: Edges, steps: Values) -> Symbols:
    """Returns value / step, rounded to the nearest integer, halves to the even one.

    The quotients must lie within ±32767; what is beyond is not defined.
    """
    symbols = np.empty(len(values), dtype=np.int16)
    _nearest(values, edges, steps, symbols)
    return symbols


def stochastic(values: Values, edges: Edges, steps: Values, seed: int) -> Symbols:
    """Returns value / step, rounded down or up so that its expectation is the quotient.

    Guarantees: the expectation is off by 2⁻²⁴ at most; entry i's draw is a function of `seed`, of
    its range and of its place there.
    """
    symbols = np.empty(len(values), dtype=np.int16)
    _stochastic(values, edges, steps, np.uint64(seed), symbols)
    return symbols


def ternary(values: Values, edges: Edges, scales: Values, seed: int) -> Symbols:
    """Returns the sign with probability |value| / scale (at most 1), and 0 otherwise."""
    symbols = np.empty(len(values), dtype=np.int16)
    _ternary(values, edges, scales, np.uint64(seed), symbols)
    return symbols


def dead_zone(values: Values, edges: Edges, steps: Values, width: float) -> Symbols:
    """Returns sign · ⌊|value| / step + 1 − width⌋: what lies within ±width·step is 0."""
    symbols = np.empty(len(values), dtype=np.int16)
    _dead_zone(values, edges, steps, np.float32(1.0 - width), symbols)
    return symbols


def shifts(values: Values, symbols: Symbols, edges: Edges, steps: Values) -> Values:
    """Returns by how much the mean magnitude of all ±1, and of all beyond, differs from m·step.

    Shapes: (2, ranges); 0 where a range has no such symbol.
    """
    found: NDArray[np.float64] = _shifts(values, symbols, edges, steps)
    return found.astype(np.float32)


def restored(symbols: Symbols, edges: Edges, steps: Values, near: Values, far: Values) -> Values:
    """Returns sign(m) · (|m|·step + shift), `near` where |m| = 1, `far` beyond; 0 stays 0.

    Guarantees: what would be infinite is the largest float32.
    """
    values = np.empty(len(symbols), dtype=np.float32)
    _restored(symbols, edges, steps, near, far, values)
    return values


@_compiled
@no_type_check
def _peaks(bits, edges):
    found = np.zeros(len(edges) - 1, dtype=np.uint32)
    for r in range(len(found)):
        highest = np.uint32(0)
        part = bits[edges[r] : edges[r + 1]]
        for i in range(len(part)):
            highest = max(highest, np.uint32(part[i] & MAGNITUDE))
        found[r] = highest
    return found


@_compiled
@no_type_check
def _squares(values, edges):
    found = np.zeros(len(edges) - 1, dtype=np.float64)
    lanes = np.zeros(LANES, dtype=np.float64)
    for r in range(len(found)):
        part = values[edges[r] : edges[r + 1]]
        whole = len(part) - len(part) % LANES
        lanes[:] = 0.0
        for i in range(0, whole, LANES):
            for j in range(LANES):
                lanes[j] += np.float64(part[i + j]) * np.float64(part[i + j])
        for i in range(whole, len(part)):
            lanes[0] += np.float64(part[i]) * np.float64(part[i])
        for j in range(LANES):
            found[r] += lanes[j]
    return found


@_compiled
@no_type_check
def _nearest(values, edges, steps, symbols):
    for r in range(len(steps)):
        step = steps[r]
        part, out = values[edges[r] : edges[r + 1]], symbols[edges[r] : edges[r + 1]]
        for i in range(len(part)):
            out[i] = np.int16(np.int32((part[i] / step + ROUND) - ROUND))


@_compiled
@no_type_check
def _dead_zone(values, edges, steps, offset, symbols):
    for r in range(len(steps)):
        step = steps[r]
        part, out = values[edges[r] : edges[r + 1]], symbols[edges[r] : edges[r + 1]]
        for i in range(len(part)):
            size = np.int32(abs(part[i]) / step + offset)
            out[i] = np.int16(-size if part[i] < 0 else size)


@_compiled
@no_type_check
def _shifts(values, symbols, edges, steps):
    found = np.zeros((2, len(steps)), dtype=np.float64)
    sums = np.zeros((4, LANES), dtype=np.float64)
    for r in range(len(steps)):
        step = np.float64(steps[r])
        part, marks = values[edges[r] : edges[r + 1]], symbols[edges[r] : edges[r + 1]]
        sums[:] = 0.0
        for i in range(0, len(part), LANES):
            for j in range(min(LANES, len(part) - i)):
                size = abs(np.int32(marks[i + j]))
                more = np.float64(abs(part[i + j])) - np.float64(size) * step
                sums[0, j] += more if size == 1 else 0.0
                sums[1, j] += more if size > 1 else 0.0
                sums[2, j] += 1.0 if size == 1 else 0.0
                sums[3, j] += 1.0 if size > 1 else 0.0
        for k in range(2):
            total = count = 0.0
            for j in range(LANES):
                total += sums[k, j]
                count += sums[k + 2, j]
            found[k, r] = total / count if count > 0 else 0.0
    return found


@_compiled
@no_type_check
def _restored(symbols, edges, steps, near, far, values):
    for r in range(len(steps)):
        step, close, beyond = steps[r], near[r], far[r]
        part, out = symbols[edges[r] : edges[r + 1]], values[edges[r] : edges[r + 1]]
        for i in range(len(part)):
            symbol = np.int32(part[i])
            size = abs(symbol)
            value = np.float32(size) * step + (close if size == 1 else beyond)
            value = min(value, HIGHEST) if size > 0 else np.float32(0)
            out[i] = -value if symbol < 0 else value


@numba.njit(inline="always")
@no_type_check
def _spread(word):
    """SplitMix64's output function."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@numba.njit(inline="always")
@no_type_check
def _uniform(i, first, second):
    """A number in [0, 1), a multiple of 2⁻²⁴: MurmurHash3's finaliser of a counter and two keys."""
    word = np.uint32(np.uint32(i) * np.uint32(2654435761) + first)
    word = np.uint32(word ^ (word >> np.uint32(16)))
    word = np.uint32(np.uint32(word * np.uint32(0x85EBCA6B)) + second)
    word = np.uint32(word ^ (word >> np.uint32(13)))
    word = np.uint32(word * np.uint32(0xC2B2AE35))
    word = np.uint32(word ^ (word >> np.uint32(16)))
    return np.float32(np.int32(word >> np.uint32(8))) * UNIT


@_compiled
@no_type_check
def _stochastic(values, edges, steps, seed, symbols):
    key = seed
    for r in range(len(steps)):
        step = steps[r]
        for start in range(edges[r], edges[r + 1], RUN):
            stop = min(start + RUN, edges[r + 1])
            key = key + np.uint64(0x9E3779B97F4A7C15)
            word = _spread(key)
            first, second = (
                np.uint32(word & np.uint64(0xFFFFFFFF)),
                np.uint32(word >> np.uint64(32)),
            )
            part, out = values[start:stop], symbols[start:stop]
            for i in range(len(part)):
                ratio = part[i] / step
                low = np.int32(ratio)
                low = low - np.int32(np.float32(low) > ratio)
                up = _uniform(i, first, second) < ratio - np.float32(low)
                out[i] = np.int16(low + np.int32(up))


@_compiled
@no_type_check
def _ternary(values, edges, scales, seed, symbols):
    key = seed
    for r in range(len(scales)):
        scale = scales[r]
        for start in range(edges[r], edges[r + 1], RUN):
            stop = min(start + RUN, edges[r + 1])
            key = key + np.uint64(0x9E3779B97F4A7C15)
            word = _spread(key)
            first, second = (
                np.uint32(word & np.uint64(0xFFFFFFFF)),
                np.uint32(word >> np.uint64(32)),
            )
            part, out = values[start:stop], symbols[start:stop]
            for i in range(len(part)):
                bar = _uniform(i, first, second) * scale
                out[i] = np.int16(np.int32(part[i] > bar) - np.int32(-part[i] > bar))


def upper_halves(bits: Bits) -> Symbols:
    """Returns the upper 16 bits of float32 numbers, rounded to nearest even, but to no infinity."""
    symbols = np.empty(len(bits), dtype=np.int16)
    _upper_halves(bits, symbols)
    return symbols


def any_special(halves: NDArray[np.uint16], exponent: int) -> bool:
    """Whether an infinity or a NaN is among 16-bit floats, whose exponent bits are `exponent`."""
    return bool(_any_special(halves, np.uint16(exponent)))


@_compiled
@no_type_check
def _upper_halves(bits, symbols):
    for i in range(len(bits)):
        word = bits[i]
        half = np.uint32(word >> np.uint32(16))
        odd = np.uint32(half & np.uint32(1))
        near = np.uint32(np.uint32(word + np.uint32(0x7FFF) + odd) >> np.uint32(16))
        finite = np.uint32(near & np.uint32(0x7F80)) != np.uint32(0x7F80)
        symbols[i] = np.int16(near if finite else half)


@_compiled
@no_type_check
def _any_special(halves, exponent):
    found = False
    for i in range(len(halves)):
        found |= (halves[i] & exponent) == exponent
    return found
