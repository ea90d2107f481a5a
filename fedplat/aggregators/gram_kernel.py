"""The Gram matrix of rows, in float64, with one order of additions on every machine.

The product of two float32 numbers is exact in float64, so it is all the same whether it is rounded
before it is added (`contract` lets a compiler fuse the two), and no finite row overflows: a row of
1e20 changes no other row's distances.
"""

import numba
import numpy as np
from numba import float64, int64, void
from numpy.typing import NDArray

from fedplat.aggregators.addresses import row

CHUNK = 128  # columns that are turned at a time, as columns of all rows
ROWS, OTHERS = 8, 32  # of a tile of the matrix, which stays in the first cache meanwhile
FUSED = 4  # columns that are added to a number of the tile while it is in a register

Addresses = NDArray[np.int64]
Matrix = NDArray[np.float64]

_compiled = numba.njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")


@_compiled
def _turn(addresses, start, columns, turned):  # type: ignore[no-untyped-def]
    for i in range(len(addresses)):
        values = row(addresses[i], start, columns)
        for k in range(columns):
            turned[k, i] = values[k]
    turned[columns:] = 0


@_compiled
def _multiply(turned, columns, i, j, tile):  # type: ignore[no-untyped-def]
    tile[:] = 0
    for k in range(0, columns, FUSED):
        r0, r1 = turned[k, j : j + OTHERS], turned[k + 1, j : j + OTHERS]
        r2, r3 = turned[k + 2, j : j + OTHERS], turned[k + 3, j : j + OTHERS]
        for a in range(ROWS):
            w0, w1 = turned[k, i + a], turned[k + 1, i + a]
            w2, w3 = turned[k + 2, i + a], turned[k + 3, i + a]
            sums = tile[a]
            for b in range(OTHERS):
                total = sums[b]
                total += w0 * r0[b]
                total += w1 * r1[b]
                total += w2 * r2[b]
                total += w3 * r3[b]
                sums[b] = total


@_compiled
def _add_tile(tile, i, j, total):  # type: ignore[no-untyped-def]
    for a in range(min(ROWS, len(total) - i)):
        for b in range(min(OTHERS, i + a + 1 - j)):
            total[i + a, j + b] += tile[a, b]


@numba.njit(
    [void(int64[::1], int64, float64[:, ::1])],
    nogil=True,
    cache=True,
    fastmath={"contract"},
    error_model="numpy",
)
def add_products(addresses, length, total):  # type: ignore[no-untyped-def]
    """Adds all rows' products over `length` columns to `total`, on and below its diagonal.

    Shapes: `addresses` (n,), `total` (n, n).
    """
    n = len(addresses)
    padded = (n + OTHERS - 1) // OTHERS * OTHERS
    turned = np.zeros((CHUNK, padded))
    tile = np.empty((ROWS, OTHERS))
    for start in range(0, length, CHUNK):
        columns = min(CHUNK, length - start)
        _turn(addresses, start, columns, turned)
        for i in range(0, n, ROWS):
            for j in range(0, min(i + ROWS, n), OTHERS):
                _multiply(turned, columns, i, j, tile)
                _add_tile(tile, i, j, total)


@numba.njit(
    [void(int64[::1], int64, float64[::1])],
    nogil=True,
    cache=True,
    fastmath={"contract"},
    error_model="numpy",
)
def add_squares(addresses, length, total):  # type: ignore[no-untyped-def]
    """Adds each row's sum of squares over `length` columns to `total`.

    Shapes: `addresses` (n,), `total` (n,).
    """
    lanes = np.empty(8)
    for i in range(len(addresses)):
        values = row(addresses[i], 0, length)
        lanes[:] = 0
        whole = length - length % 8
        for start in range(0, whole, 8):
            for lane in range(8):
                value = np.float64(values[start + lane])
                lanes[lane] += value * value
        for k in range(whole, length):
            value = np.float64(values[k])
            lanes[0] += value * value
        for lane in range(8):
            total[i] += lanes[lane]
