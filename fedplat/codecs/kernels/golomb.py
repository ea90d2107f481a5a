"""Golomb codes of ascending positions: each gap as a quotient in unary and a rest in binary.

A gap of n is n // m ones, a zero, and n % m in truncated binary; bits run from the highest of the
first byte.  Rice codes are those where m is a power of two.
Source: Golomb 1966, "Run-length encodings".
"""

from typing import Any, no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Positions = NDArray[np.int64]

_compiled = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")


def best(positions: Positions) -> tuple[int, int]:
    """The parameter m for which the code of these positions is shortest, and its bits.

    Candidates are m ≈ ln 2 · (mean gap), optimal for geometric gaps, and the powers of two about.
    """
    mean = max(1, (int(positions[-1]) + 1 - len(positions)) // len(positions))
    near = mean * 693_147 // 1_000_000
    power = 1 << max(0, near.bit_length() - 1)
    tried = {max(1, m) for m in (near - 1, near, near + 1, power // 2, power, 2 * power)}
    bits, m = min((int(_bits(positions, m)), m) for m in tried)
    return m, bits


def write(positions: Positions, m: int, bits: int) -> bytes:
    """The code of strictly ascending positions; `bits` is its length."""
    out = np.zeros((bits + 7) // 8, dtype=np.uint8)
    _write(positions, m, out)
    return out.tobytes()


def read(packed: Bytes, m: int, dim: int, out: NDArray[Any]) -> bool:
    """Fills `out` with positions below `dim`; says whether `packed` was just such a code."""
    return bool(_read(packed, m, dim, out))


@_compiled
@no_type_check
def _width(m):
    """⌈log2 m⌉, the bits of the longer rests."""
    width = 0
    while 1 << width < m:
        width += 1
    return width


@_compiled
@no_type_check
def _bits(positions, m):
    width = _width(m)
    short = (1 << width) - m
    total, before = 0, -1
    for i in range(len(positions)):
        gap = positions[i] - before - 1
        before = positions[i]
        quotient = gap // m
        total += quotient + 1 + width - (gap - quotient * m < short)
    return total


@_compiled
@no_type_check
def _put(out, at, value, width):
    """Writes `width` bits at bit `at`, where `out` is 0; returns where they end."""
    left = width
    while left > 0:
        room = 8 - (at & 7)
        take = min(room, left)
        left -= take
        out[at >> 3] |= ((value >> left) & ((1 << take) - 1)) << (room - take)
        at += take
    return at


@_compiled
@no_type_check
def _write(positions, m, out):
    width = _width(m)
    short = (1 << width) - m
    at, before = 0, -1
    for i in range(len(positions)):
        gap = positions[i] - before - 1
        before = positions[i]
        quotient = gap // m
        rest = gap - quotient * m
        while quotient >= 32:
            at = _put(out, at, 0xFFFF_FFFF, 32)
            quotient -= 32
        at = _put(out, at, (2 << quotient) - 2, quotient + 1)
        longer = rest >= short
        at = _put(out, at, rest + short * longer, width - 1 + longer)


@_compiled
@no_type_check
def _read(packed, m, dim, out):
    width = _width(m)
    short = (1 << width) - m
    at, end, position = 0, 8 * len(packed), -1
    for i in range(len(out)):
        gap = 0
        while at < end and packed[at >> 3] >> (7 - (at & 7)) & 1:
            gap += m
            at += 1
            if gap >= dim:
                return False
        at += 1
        if at + width > end + 1:  # the longer rest may need one bit more: looked at below
            return False
        rest = 0
        for _ in range(width - 1):
            rest = rest << 1 | (packed[at >> 3] >> (7 - (at & 7)) & 1)
            at += 1
        if width and rest >= short:
            if at >= end:
                return False
            rest = (rest << 1 | (packed[at >> 3] >> (7 - (at & 7)) & 1)) - short
            at += 1
        position += gap + rest + 1
        if position >= dim:
            return False
        out[i] = position
    if at > end or end - at >= 8:
        return False
    return at == end or packed[at >> 3] & ((1 << (8 - (at & 7))) - 1) == 0
