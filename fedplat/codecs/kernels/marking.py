"""Addresses of clusters: put onto a map, and added up of their differences, in place."""

from typing import no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

_compiled = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")


def mark(
    addresses: Numbers,
    clusters: tuple[Numbers, Numbers, Numbers, Numbers],
    taken: NDArray[np.bool_],
    found: NDArray[np.int16],
) -> bool:
    """Writes each cluster's symbol where it stands; says whether addresses are sound.

    They are where they ascend in each cluster, lie in its tensor, and none stands twice.
    `clusters` are symbols, sizes, and where tensors start and how long they are.
    """
    return bool(_mark(addresses, *clusters, taken, found))


def summed(below: Numbers, lengths: NDArray[np.int16], sizes: Numbers) -> None:
    """Makes addresses of differences, given their bit lengths and their bits below the highest."""
    _summed(below, lengths, sizes)


@_compiled
@no_type_check
def _mark(addresses, symbols, sizes, starts, spans, taken, found):
    at = 0
    for c in range(len(sizes)):
        before = -1
        for _ in range(sizes[c]):
            address = addresses[at]
            at += 1
            if address <= before or address >= spans[c] or taken[starts[c] + address]:
                return False
            before = address
            taken[starts[c] + address] = True
            found[starts[c] + address] = symbols[c]
    return True


@_compiled
@no_type_check
def _summed(below, lengths, sizes):
    at = 0
    for c in range(len(sizes)):
        address = -1
        for _ in range(sizes[c]):
            address += below[at] + (1 << (np.int64(lengths[at]) - 1))
            below[at] = address
            at += 1
