"""What TernGrad's draws hold: bytes that no coder can save, however well it guesses chances."""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.coding.arms import Arm
from fedplat.codecs.ternary import Ternary, clipped_peaks

Chances = NDArray[np.float64]
LEAST = 1e-6  # a chance that is guessed to be less would cost without end when it comes


def told(arm: Arm) -> list[dict[str, Any]]:
    """The bytes, on average over the draws, of coders that are told chances; signs a bit each.

    `told_bytes`: told the chance of every value to be drawn.  `told_rows_columns_bytes`: told the
    mean of each row and each column only, whose product is then the guess.
    Nothing for other codecs than TernGrad.
    """
    if arm.part["name"] != "terngrad":
        return []
    matrices = _chances(arm)
    bits = {
        "told": sum(_cost(one, one) for one in matrices),
        "told_rows_columns": sum(_cost(one, _product(one)) for one in matrices),
    }
    return [
        {
            "payload": arm.payload.name,
            "codec": arm.name,
            **{f"{name}_bytes": round(bits[name] / 8) for name in bits},
            **{f"{name}_vs_iid": bits[name] / arm.reference_bits for name in bits},
        }
    ]


def _chances(arm: Arm) -> list[Chances]:
    """Of each tensor's values to be drawn, as the rows and columns of a matrix."""
    values, specs = arm.payload.vector.numpy(), arm.payload.layout.flat
    sizes = np.array([prod(spec.shape) for spec in specs], dtype=np.int64)
    edges = np.concatenate([[0], np.cumsum(sizes)])
    scales = clipped_peaks(values, edges, sizes, Ternary().clip)
    found = []
    for spec, scale, start, stop in zip(specs, scales, edges, edges[1:], strict=False):
        if stop > start and scale > 0:
            chances = np.minimum(np.abs(values[start:stop].astype(np.float64)) / scale, 1)
            found.append(chances.reshape(spec.shape[0] if len(spec.shape) > 1 else 1, -1))
    return found


def _product(chances: Chances) -> Chances:
    mean = max(float(chances.mean()), LEAST)
    return np.minimum(np.outer(chances.mean(axis=1), chances.mean(axis=0)) / mean, 1)


def _cost(chances: Chances, guesses: Chances) -> float:
    """Bits of draws with these chances for who guesses others, and of the signs of those drawn."""
    guesses = np.clip(guesses, LEAST, 1 - LEAST)
    drawn = -np.log2(guesses) + 1
    return float((chances * drawn - (1 - chances) * np.log2(1 - guesses)).sum())
