"""Numbers that float32 can not hold stay finite: what is decoded is never infinite."""

import math

import numpy as np
from numpy.typing import NDArray

LARGEST = float(np.finfo(np.float32).max)


def nearest(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    """The nearest finite float32 of each number; NaN stays NaN.

    >>> nearest(np.array([1e39, -1e39, 0.5]))
    array([ 3.4028235e+38, -3.4028235e+38,  5.0000000e-01], dtype=float32)
    """
    return np.clip(numbers, -LARGEST, LARGEST).astype(np.float32)


def are_all(values: NDArray[np.float32]) -> bool:
    """Whether none is NaN or infinite.

    The largest and the smallest tell: a NaN is both.  Much faster than to look at each.

    >>> are_all(np.array([1, -2], np.float32)), are_all(np.array([1, np.nan, -2], np.float32))
    (True, False)
    """
    if not len(values):
        return True
    with np.errstate(invalid="ignore"):
        return math.isfinite(values.max()) and math.isfinite(values.min())
