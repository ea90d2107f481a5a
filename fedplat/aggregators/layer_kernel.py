"""What rules that look at layers want to know of a row's values in one, in float64."""

import numba
import numpy as np
from numba import float32, float64, int64, void

from fedplat.aggregators.addresses import row

BUILT_ON = "1d1f584ae81ed3df"  # hash of the files compiled into these loops: a cache misses theirs

KNOWN = 4  # numbers a row and layer
LANES = 8  # sums that are added up side by side


@numba.njit(
    [void(int64[::1], int64, int64, float32[::1], float64[:, ::1])],
    nogil=True,
    cache=True,
    fastmath=False,
    error_model="numpy",
)
def add_known(addresses, start, length, thresholds, total):  # type: ignore[no-untyped-def]
    """Adds to `total` what is known of each row in `length` columns from `start` on.

    That is `kinds.ALL` and the next three; large values are those no smaller than the row's
    threshold.
    Shapes: `addresses` (n,), `thresholds` (n,), `total` (n, 4).
    """
    lanes = np.empty((KNOWN, LANES))
    for i in range(len(addresses)):
        values, threshold = row(addresses[i], start, length), thresholds[i]
        lanes[:] = 0
        for begin in range(0, length, LANES):
            for lane in range(min(LANES, length - begin)):
                value = values[begin + lane]
                square = np.float64(value) * np.float64(value)
                large = abs(value) >= threshold
                lanes[0, lane] += square
                lanes[1, lane] += square if large else 0.0
                lanes[2, lane] += 1.0 if large and value > 0 else 0.0
                lanes[3, lane] += 1.0 if large and value < 0 else 0.0
        for known in range(KNOWN):
            for lane in range(LANES):
                total[i, known] += lanes[known, lane]
