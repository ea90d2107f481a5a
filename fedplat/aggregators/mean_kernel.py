"""The weighted mean's inner loop as compiled code: four updates in one pass over the sum.

Importing this module starts numba (half a second), so it is imported when a fold is large enough.
"""

from collections.abc import Sequence

import numba
import numpy as np
from jaxtyping import Float64
from numba import float32, float64, types, void
from torch import Tensor

from fedplat.params import Vector

GROUP = 4
_ACC = float64[::1]
_ROW = types.Array(float32, 1, "C", readonly=True)
# Neither fastmath nor contraction: every product and every sum is rounded, as in NumPy.
_compiled = numba.njit(
    [void(_ACC, *[_ROW] * GROUP, *[float64] * GROUP)],
    nogil=True,
    cache=True,
    fastmath=False,
    error_model="numpy",
)
_compiled_one = numba.njit([void(_ACC, _ROW, float64)], nogil=True, cache=True, fastmath=False)


def accumulate(
    total: Float64[Tensor, " dim"], updates: Sequence[Vector], weights: Sequence[float]
) -> None:
    """Adds weight·update to `total`, one update after another; other threads can run meanwhile."""
    acc, rows = total.numpy(), [update.numpy() for update in updates]
    whole = len(rows) - len(rows) % GROUP
    for i in range(0, whole, GROUP):
        _add_four(acc, *rows[i : i + GROUP], *weights[i : i + GROUP])
    for i in range(whole, len(rows)):
        _add_one(acc, rows[i], weights[i])


@_compiled
def _add_four(acc, u0, u1, u2, u3, w0, w1, w2, w3):  # type: ignore[no-untyped-def]
    for j in range(acc.shape[0]):
        a = acc[j]
        a += np.float64(u0[j]) * w0
        a += np.float64(u1[j]) * w1
        a += np.float64(u2[j]) * w2
        a += np.float64(u3[j]) * w3
        acc[j] = a


@_compiled_one
def _add_one(acc, u0, w0):  # type: ignore[no-untyped-def]
    for j in range(acc.shape[0]):
        acc[j] += np.float64(u0[j]) * w0
