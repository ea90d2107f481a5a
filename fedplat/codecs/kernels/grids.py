"""The coarsest grid that all values of a range lie on."""

from typing import no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

TOLERANCE = 2.0**-10  # of a step

_compiled = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")


def coarsest(
    values: NDArray[np.float32],
    edges: NDArray[np.int64],
    peaks: NDArray[np.float32],
    levels: int,
) -> NDArray[np.int64]:
    """Returns the smallest m ≤ `levels` for which all values are multiples of peak / m.

    Guarantees: `levels` where there is none; a candidate that one value has refuted is not tried on
    the others, and the value is the first that later candidates are tried on.
    Shapes: `peaks` (ranges,) → (ranges,).
    """
    found: NDArray[np.int64] = _coarsest(values, edges, peaks, levels)
    return found


@_compiled
@no_type_check
def _off(value, scale):
    ratio = abs(np.float64(value)) * scale
    return abs(ratio - np.floor(ratio + 0.5)) > TOLERANCE


@_compiled
@no_type_check
def _refuting(part, scale):
    """The first entry that is no multiple, or their count."""
    for i in range(len(part)):
        if _off(part[i], scale):
            return i
    return len(part)


@_compiled
@no_type_check
def _coarsest(values, edges, peaks, levels):
    found = np.full(len(peaks), levels, dtype=np.int64)
    witnesses = np.zeros(64, dtype=np.float32)
    for r in range(len(peaks)):
        part = values[edges[r] : edges[r + 1]]
        if peaks[r] == 0:
            continue
        known = 0
        for m in range(1, levels + 1):
            scale = m / np.float64(peaks[r])
            if _refuting(witnesses[:known], scale) < known:
                continue
            index = _refuting(part, scale)
            if index == len(part):
                found[r] = m
                break
            witnesses[min(known, 63)] = part[index]
            known = min(known + 1, 64)
    return found
