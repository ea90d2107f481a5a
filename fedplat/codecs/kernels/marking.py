"""Addresses of clusters: read out of their bits, and put onto a map as they come."""

from typing import no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Symbols = NDArray[np.int16]
Bytes = NDArray[np.uint8]

HELD, COUNT, AT = range(3)  # bits that were read and not used yet, how many, and how far

_compiled = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")


def mark(
    packed: Bytes,
    widths: Bytes,
    differences: bool,
    clusters: tuple[Numbers, Numbers, Symbols, NDArray[np.signedinteger]],
    taken: NDArray[np.bool_],
    found: Symbols,
) -> bool:
    """Writes each cluster's symbol where it stands; says whether addresses are sound.

    They are where they ascend in each cluster, lie in its tensor, and none stands twice, and the
    bits behind them are 0.  `packed` must have exactly the size of what was written.
    `widths` are the bits of an address of each tensor; or, of `differences`, those below the
    highest of each.  `clusters` are where tensors start and the last one ends, how many clusters
    each has, and their symbols and sizes.  Without `found`, symbols are not written.
    """
    return bool(_mark(packed, widths, differences, *clusters, taken, found))


@_compiled
@no_type_check
def _mark_one(packed, widths, differences, size, symbol, bits, taken, found):
    """One cluster's addresses; `widths` has one for each of `differences`, or one for all."""
    before = -1
    for k in range(size):
        width = np.int64(widths[k if differences else 0])
        while bits[COUNT] < width:
            bits[HELD] = bits[HELD] << 8 | np.int64(packed[bits[AT]])
            bits[AT] += 1
            bits[COUNT] += 8
        bits[COUNT] -= width
        address = (bits[HELD] >> bits[COUNT]) & ((1 << width) - 1)
        if differences:
            address += before + (1 << width)
        if address <= before or address >= len(taken) or taken[address]:
            return False
        before = address
        taken[address] = True
        if len(found):
            found[address] = symbol
    return True


@_compiled
@no_type_check
def _mark(packed, widths, differences, edges, numbers, symbols, sizes, taken, found):
    bits = np.zeros(3, dtype=np.int64)
    entry, first = 0, 0
    for t in range(len(numbers)):
        tensor = taken[edges[t] : edges[t + 1]]
        for c in range(first, first + numbers[t]):
            own = widths[entry : entry + sizes[c]] if differences else widths[t : t + 1]
            written = found[edges[t] : edges[t + 1]] if len(found) else found
            if not _mark_one(packed, own, differences, sizes[c], symbols[c], bits, tensor, written):
                return False
            entry += sizes[c]
        first += numbers[t]
    return bits[HELD] & ((1 << bits[COUNT]) - 1) == 0
