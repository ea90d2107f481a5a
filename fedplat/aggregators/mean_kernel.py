"""The weighted mean's inner loop as compiled code: many updates in one pass over the sum.

Importing this module starts numba (half a second), so it is imported when a fold is large enough.
"""

from collections.abc import Sequence

import numba
import numpy as np
from jaxtyping import Float64
from numba import float64, int64, void
from torch import Tensor

from fedplat.aggregators.addresses import row
from fedplat.params import Vector

BUILT_ON = "1d1f584ae81ed3df"  # hash of the files compiled into these loops: a cache misses theirs

TILE = 1 << 15  # columns whose sum stays in a core's second cache while all updates are added
CHUNK = 512  # columns of the innermost loop: all that it touches stays in the first cache
FUSED = 8  # updates that are added to a column while its sum is in a register


def accumulate(
    total: Float64[Tensor, " dim"], updates: Sequence[Vector], weights: Sequence[float]
) -> None:
    """Adds weight·update to `total`, one update after another; other threads can run meanwhile."""
    held = [update.contiguous() for update in updates]  # until the loop has read them
    addresses = np.array([one.data_ptr() for one in held], dtype=np.int64)
    add_rows(total.numpy(), addresses, np.array(weights, dtype=np.float64))


# Neither fastmath nor contraction: every product and every sum is rounded, as in NumPy.
_compiled = numba.njit(
    [void(float64[::1], int64[::1], float64[::1])],
    nogil=True,
    cache=True,
    fastmath=False,
    error_model="numpy",
)


@_compiled
def _add_eight(tile, addresses, weights):  # type: ignore[no-untyped-def]
    for start in range(0, len(tile), CHUNK):
        chunk = tile[start : start + CHUNK]
        u0, u1 = row(addresses[0], start, len(chunk)), row(addresses[1], start, len(chunk))
        u2, u3 = row(addresses[2], start, len(chunk)), row(addresses[3], start, len(chunk))
        u4, u5 = row(addresses[4], start, len(chunk)), row(addresses[5], start, len(chunk))
        u6, u7 = row(addresses[6], start, len(chunk)), row(addresses[7], start, len(chunk))
        w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
        w4, w5, w6, w7 = weights[4], weights[5], weights[6], weights[7]
        for j in range(len(chunk)):
            total = chunk[j]
            total += np.float64(u0[j]) * w0
            total += np.float64(u1[j]) * w1
            total += np.float64(u2[j]) * w2
            total += np.float64(u3[j]) * w3
            total += np.float64(u4[j]) * w4
            total += np.float64(u5[j]) * w5
            total += np.float64(u6[j]) * w6
            total += np.float64(u7[j]) * w7
            chunk[j] = total


@_compiled
def add_rows(total, addresses, weights):  # type: ignore[no-untyped-def]
    """Adds weight·row to `total`, row after row; rows are given by their addresses."""
    whole = len(addresses) - len(addresses) % FUSED
    for start in range(0, len(total), TILE):
        tile = total[start : start + TILE]
        for i in range(0, whole, FUSED):
            _add_eight(tile, addresses[i:] + 4 * start, weights[i:])
        for i in range(whole, len(addresses)):
            update = row(addresses[i], start, len(tile))
            for j in range(len(tile)):
                tile[j] += np.float64(update[j]) * weights[i]
