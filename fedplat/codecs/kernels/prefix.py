"""Prefix codes of symbols, by tables: counting, writing and reading them."""

from typing import no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Symbols = NDArray[np.int16]
Counts = NDArray[np.int64]

_compiled = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")


def counts(symbols: Symbols, lowest: int, size: int) -> Counts:
    """How often each symbol from `lowest` on occurs.  Shapes: (size,)."""
    found = np.zeros(size, dtype=np.int64)
    _count(symbols, lowest, found)
    return found


def write(symbols: Symbols, lowest: int, codes: Counts, lengths: Bytes, bits: int) -> bytes:
    """The codes of all symbols, one behind another; `bits` is their length together."""
    out = np.zeros((bits + 7) // 8, dtype=np.uint8)
    _write(symbols, lowest, codes, lengths, out)
    return out.tobytes()


def read(packed: Bytes, table: Symbols, lengths: Bytes, out: Symbols) -> bool:
    """Fills `out`; says whether `packed` was just such codes, and zeros up to the last byte's end.

    Shapes: `table`, `lengths` (2^longest,): what a code that starts with these bits stands for.
    """
    return bool(_read(packed, table, lengths, out))


@_compiled
@no_type_check
def _count(symbols, lowest, found):
    for i in range(len(symbols)):
        found[np.int64(symbols[i]) - lowest] += 1


@_compiled
@no_type_check
def _write(symbols, lowest, codes, lengths, out):
    held, bits, at = 0, 0, 0
    for i in range(len(symbols)):
        rank = np.int64(symbols[i]) - lowest
        length = np.int64(lengths[rank])
        held = held << length | codes[rank]
        bits += length
        while bits >= 8:
            bits -= 8
            out[at] = (held >> bits) & 255
            at += 1
    if bits:
        out[at] = (held << (8 - bits)) & 255


@_compiled
@no_type_check
def _read(packed, table, lengths, out):
    longest = 0
    while 1 << longest < len(table):
        longest += 1
    mask = len(table) - 1
    held, bits, at, used = 0, 0, 0, 0
    for i in range(len(out)):
        while bits < longest:
            held = held << 8 | (np.int64(packed[at]) if at < len(packed) else 0)
            at += 1
            bits += 8
        index = (held >> (bits - longest)) & mask
        length = np.int64(lengths[index])
        out[i] = table[index]
        bits -= length
        used += length
    end = 8 * len(packed)
    if used > end or end - used >= 8:
        return False
    return used == end or packed[used >> 3] & ((1 << (8 - (used & 7))) - 1) == 0
