"""The randomised Hadamard transform of blocks of 2^m values, in float32 and in a fixed order.

An orthogonal map: values times seeded signs, then the Walsh–Hadamard butterflies, over √(2^m).
Every product and every sum is one IEEE operation, so bits are equal on every CPU.
"""

import math
from typing import no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

from fedplat.codecs.kernels.counter import word

BUILT_ON = "24de682c51506b96"  # hash of the kernels compiled into these: a cache misses theirs

Values = NDArray[np.float32]

_compiled = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")


def rotate(block: Values, key: int) -> None:
    """Rotates `block` in place, by the signs of `key`.  Its length is a power of two."""
    _flip(block, np.uint64(key), np.float32(1 / math.sqrt(len(block))))
    _butterflies(block)


def rotate_back(block: Values, key: int) -> None:
    """Undoes `rotate`, in place, up to the rounding of float32."""
    _butterflies(block)
    _flip(block, np.uint64(key), np.float32(1 / math.sqrt(len(block))))


@_compiled
@no_type_check
def _flip(block, key, scale):
    """Multiplies by ±scale; the sign of value i is bit i mod 64 of the key's word i // 64."""
    for start in range(0, len(block), 64):
        bits = word(key, start >> 6)
        piece = block[start : start + 64]
        for j in range(len(piece)):
            sign = np.float32(1 - 2 * np.int64((bits >> np.uint64(j)) & np.uint64(1)))
            piece[j] *= sign * scale


@_compiled
@no_type_check
def _butterflies(block):
    n, half = len(block), 1
    if n >= 8:
        for start in range(0, n, 8):
            _eight(block[start : start + 8])
        half = 8
    while 4 * half <= n:
        for start in range(0, n, 4 * half):
            _four(
                block[start : start + half],
                block[start + half : start + 2 * half],
                block[start + 2 * half : start + 3 * half],
                block[start + 3 * half : start + 4 * half],
            )
        half *= 4
    while 2 * half <= n:
        for start in range(0, n, 2 * half):
            _two(block[start : start + half], block[start + half : start + 2 * half])
        half *= 2


@_compiled
@no_type_check
def _two(a, b):
    for j in range(len(a)):
        x, y = a[j], b[j]
        a[j], b[j] = x + y, x - y


@_compiled
@no_type_check
def _four(a, b, c, d):
    for j in range(len(a)):
        x, y, z, w = a[j], b[j], c[j], d[j]
        s, t, u, v = x + y, x - y, z + w, z - w
        a[j], b[j], c[j], d[j] = s + u, t + v, s - u, t - v


@_compiled
@no_type_check
def _eight(x):
    a0, a1, a2, a3 = x[0] + x[1], x[0] - x[1], x[2] + x[3], x[2] - x[3]
    a4, a5, a6, a7 = x[4] + x[5], x[4] - x[5], x[6] + x[7], x[6] - x[7]
    b0, b1, b2, b3 = a0 + a2, a1 + a3, a0 - a2, a1 - a3
    b4, b5, b6, b7 = a4 + a6, a5 + a7, a4 - a6, a5 - a7
    x[0], x[1], x[2], x[3] = b0 + b4, b1 + b5, b2 + b6, b3 + b7
    x[4], x[5], x[6], x[7] = b0 - b4, b1 - b5, b2 - b6, b3 - b7
