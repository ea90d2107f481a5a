"""How far two vectors of float32 lie apart, in units that a reader understands."""

from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK = 1 << 20  # values that are compared at a time
LOWEST = -(1 << 31)


@dataclass(frozen=True, slots=True)
class Distance:
    """How many values differ, and by how much at most.

    `max_relative` is |a - b| over the larger of |a| and |b|; `max_ulp` counts the float32 values
    from one to the other, so that 1 is the last bit.  Pairs of other bits of which one is NaN or
    infinite count as differing and in `not_finite`; the maxima are over the others.
    """

    values: int
    differing: int = 0
    not_finite: int = 0
    max_absolute: float = 0.0
    max_relative: float = 0.0
    max_ulp: int = 0

    def plus(self, other: "Distance") -> "Distance":
        """That of both pieces together."""
        return Distance(
            self.values + other.values,
            self.differing + other.differing,
            self.not_finite + other.not_finite,
            max(self.max_absolute, other.max_absolute),
            max(self.max_relative, other.max_relative),
            max(self.max_ulp, other.max_ulp),
        )


def distance(a: Tensor, b: Tensor) -> Distance:
    """Compares two float32 vectors bit by bit; a zero and a negative zero lie 0 ulp apart.

    Shapes: both [n].  Memory: a fixed block beside them.
    Raises: ValueError, if they have not one length.
    """
    if a.shape != b.shape:
        raise ValueError(f"vectors of {tuple(a.shape)} and {tuple(b.shape)} have no distance")
    found = Distance(0)
    for start in range(0, len(a), BLOCK):
        piece = slice(start, start + BLOCK)
        found = found.plus(_of_block(a[piece].contiguous(), b[piece].contiguous()))
    return found


def _of_block(a: Tensor, b: Tensor) -> Distance:
    differs = a.view(torch.int32) != b.view(torch.int32)
    finite = differs & torch.isfinite(a) & torch.isfinite(b)
    differing = int(differs.sum())
    not_finite = differing - int(finite.sum())
    if not finite.any():
        return Distance(len(a), differing, not_finite)
    left, right = a[finite], b[finite]
    gap = (left.double() - right.double()).abs()
    larger = torch.maximum(left.abs(), right.abs()).double()
    relative = gap / larger.clamp(min=torch.finfo(torch.float64).tiny)
    ulp = (_steps(left) - _steps(right)).abs()
    return Distance(
        len(a), differing, not_finite, float(gap.max()), float(relative.max()), int(ulp.max())
    )


def _steps(values: Tensor) -> Tensor:
    """The place of each value in the order of all float32: neighbours are 1 apart."""
    bits = values.view(torch.int32).to(torch.int64)
    return torch.where(bits < 0, LOWEST - bits, bits)
