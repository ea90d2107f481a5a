"""The Gram matrix of rows, in float64, with one order of additions on every machine.

Long blocks are summed in float32, a few columns at a time, and these sums in float64.  This is
exact enough where rows are apart by a part of their length; a block in which two rows are closer,
or lengths leave float32's range, is summed in float64 throughout: a row of 1e20 changes no other
row's distances.
"""

import numba
import numpy as np
from numba import boolean, float64, int64, void
from numpy.typing import NDArray

from fedplat.aggregators.addresses import row
from fedplat.aggregators.lanes import SIDE, SINGLES
from fedplat.aggregators.lanes import add_products as _exactly
from fedplat.aggregators.lanes import add_rounded_products as _rounded

BUILT_ON = "650a5cfdf2959fc5"  # hash of the files compiled into these loops: a cache misses theirs

CHUNK = 1024  # columns of all rows that stay in a cache; a lane sums 64 products in float32
LONG = 4096  # columns from which on blocks may be summed in float32
APART = 2.0**-8  # of the longer row's square: squared distances that float32 tells well enough
SMALL, LARGE = 1e-20, 1e35  # squares that it does

Addresses = NDArray[np.int64]
Matrix = NDArray[np.float64]


def add_products(addresses: Addresses, length: int, total: Matrix) -> None:
    """Adds all rows' products over `length` columns to `total`, on and below its diagonal.

    Guarantees: a squared distance that follows from it is off by less than a hundred-thousandth,
    unless rows are closer than float64 can tell; of equal rows it is 0.
    Shapes: `addresses` (n,), `total` (n, n).
    """
    if not len(addresses):
        return
    if length >= LONG:
        gram = np.zeros_like(total)
        _add(addresses, length, gram, True)
        if _is_exact_enough(addresses, length, gram):
            total += gram
            return
    _add(addresses, length, total, False)


def _is_exact_enough(addresses: Addresses, length: int, gram: Matrix) -> bool:
    squares = np.diagonal(gram)
    usual = (squares >= SMALL) & (squares <= LARGE)
    strange = np.zeros(int((~usual).sum()))
    add_squares(addresses[~usual], length, strange)
    if (np.isfinite(strange) & (strange != 0)).any():
        return False
    found, squares = gram[np.ix_(usual, usual)], squares[usual]
    distances = squares[:, None] + squares[None, :] - 2 * found
    near = distances < APART * np.maximum(squares[:, None], squares[None, :])
    return not np.tril(near & (distances != 0), -1).any()


_compiled = numba.njit(nogil=True, cache=True, fastmath=False, error_model="numpy")


@_compiled
def _add_tile(rows, i, j, start, columns, rounded, tile, total):  # type: ignore[no-untyped-def]
    """Adds the products of SIDE rows from i on with as many from j on."""
    tile[:] = 0
    x, y, out = rows[i:].ctypes.data, rows[j:].ctypes.data, tile.ctypes.data
    if rounded:
        _rounded(x, y, 4 * start, columns, out)  # type: ignore[call-arg]
    else:
        _exactly(x, y, 4 * start, columns, out)  # type: ignore[call-arg]
    for a in range(min(SIDE, len(total) - i)):
        for b in range(min(SIDE, i + a + 1 - j)):
            total[i + a, j + b] += tile[a, b]


@_compiled
def _add_tiles(rows, whole, rounded, total):  # type: ignore[no-untyped-def]
    tile = np.empty((SIDE, SIDE))
    for start in range(0, whole, CHUNK):
        columns = min(CHUNK, whole - start)
        for i in range(0, len(rows), SIDE):
            for j in range(0, i + 1, SIDE):
                _add_tile(rows, i, j, start, columns, rounded, tile, total)


@_compiled
def _add_rest(rest, total):  # type: ignore[no-untyped-def]
    rows = np.empty(len(rest), dtype=np.int64)
    for i in range(len(rest)):
        rows[i] = rest[i:].ctypes.data
    _add_tiles(rows, SINGLES, False, total)


@numba.njit(
    [void(int64[::1], int64, float64[:, ::1], boolean)],
    nogil=True,
    cache=True,
    fastmath=False,
    error_model="numpy",
)
def _add(addresses, length, total, rounded):  # type: ignore[no-untyped-def]
    n = len(addresses)
    whole = length - length % SINGLES
    rows = np.empty((n + SIDE - 1) // SIDE * SIDE, dtype=np.int64)
    rows[:n], rows[n:] = addresses, addresses[n - 1]
    rest = np.zeros((len(rows), SINGLES), dtype=np.float32)
    for i in range(n):
        rest[i, : length - whole] = row(addresses[i], whole, length - whole)
    _add_tiles(rows, whole, rounded, total)
    if whole < length:
        _add_rest(rest, total)


@numba.njit(
    [void(int64[::1], int64, float64[::1])],
    nogil=True,
    cache=True,
    fastmath={"contract"},
    error_model="numpy",
)
def add_squares(addresses, length, total):  # type: ignore[no-untyped-def]
    """Adds each row's sum of squares over `length` columns to `total`.

    The product of two float32 numbers is exact in float64, so it is all the same whether it is
    rounded before it is added (`contract` lets a compiler fuse the two).
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
