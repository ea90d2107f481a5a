"""Numbers that float32 can not hold stay finite: what is decoded is never infinite."""

import numpy as np
from numpy.typing import NDArray

LARGEST = float(np.finfo(np.float32).max)


def nearest(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    """The nearest finite float32 of each number; NaN stays NaN.

    >>> nearest(np.array([1e39, -1e39, 0.5]))
    array([ 3.4028235e+38, -3.4028235e+38,  5.0000000e-01], dtype=float32)
    """
    return np.clip(numbers, -LARGEST, LARGEST).astype(np.float32)
