"""Products of a matrix with a few columns, and of two thin matrices, in a fixed order of sums.

BLAS orders its sums by the CPU; here every sum is in float64 and runs from the first term to the
last, so bits are equal on every CPU.  Thin matrices are stored by columns: (rank, rows).
"""

from typing import no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
Columns = NDArray[np.float64]

BLOCK = 1 << 12  # columns whose sums are kept in float64 together

_compiled = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")


def times(matrix: Values, right: Columns) -> Columns:
    """M · Q, by columns.  Shapes: (m, n), (rank, n) → (rank, m)."""
    found = np.empty((len(right), len(matrix)))
    _times(matrix, right, found)
    return found


def transposed_times(matrix: Values, left: Columns) -> Columns:
    """Mᵀ · P, by columns.  Shapes: (m, n), (rank, m) → (rank, n)."""
    found = np.zeros((len(left), matrix.shape[1]))
    _transposed_times(matrix, left, found)
    return found


def product(left: Values, right: Values, out: Values) -> None:
    """P · Qᵀ, row by row, what float32 can not hold as its largest number.

    Shapes: (rank, m), (rank, n) → `out` (m, n).
    """
    total = np.empty(max(1, min(BLOCK, right.shape[1])))
    _product(left, right, out, total, float(np.finfo(np.float32).max))


@_compiled
@no_type_check
def _times(matrix, right, found):
    for i in range(matrix.shape[0]):
        row = matrix[i]
        for c in range(len(right)):
            column, total = right[c], 0.0
            for j in range(len(row)):
                total += np.float64(row[j]) * column[j]
            found[c, i] = total


@_compiled
@no_type_check
def _transposed_times(matrix, left, found):
    for i in range(matrix.shape[0]):
        row = matrix[i]
        for c in range(len(left)):
            weight, column = left[c, i], found[c]
            for j in range(len(row)):
                column[j] += np.float64(row[j]) * weight


@_compiled
@no_type_check
def _product_part(left, right, i, start, row, total, largest):
    """The part of row `i` that begins at `start` and is as long as `row`."""
    total[:] = 0.0
    for c in range(len(left)):
        weight, column = np.float64(left[c, i]), right[c][start : start + len(row)]
        for j in range(len(row)):
            total[j] += np.float64(column[j]) * weight
    for j in range(len(row)):
        row[j] = np.float32(max(min(total[j], largest), -largest))


@_compiled
@no_type_check
def _product(left, right, out, total, largest):
    for i in range(out.shape[0]):
        for start in range(0, out.shape[1], len(total)):
            row = out[i][start : start + len(total)]
            _product_part(left, right, i, start, row, total, largest)
