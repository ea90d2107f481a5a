"""Addresses of clusters: read out of their bits, and put onto a map as they come."""

from typing import no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Symbols = NDArray[np.int16]
Bytes = NDArray[np.uint8]

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
def _mark(packed, widths, differences, edges, numbers, symbols, sizes, taken, found):
    held, bits, at, entry, first = 0, 0, 0, 0, 0
    for t in range(len(numbers)):
        start, span = edges[t], edges[t + 1] - edges[t]
        for c in range(first, first + numbers[t]):
            before = -1
            for _ in range(sizes[c]):
                width = np.int64(widths[entry if differences else t])
                entry += 1
                while bits < width:
                    held = held << 8 | np.int64(packed[at])
                    at += 1
                    bits += 8
                bits -= width
                address = (held >> bits) & ((1 << width) - 1)
                if differences:
                    address += before + (1 << width)
                if address <= before or address >= span or taken[start + address]:
                    return False
                before = address
                taken[start + address] = True
                if len(found):
                    found[start + address] = symbols[c]
        first += numbers[t]
    return held & ((1 << bits) - 1) == 0
