"""How far an update can be compressed before so many points of accuracy are lost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """An arm's compression ratio, and how many points of accuracy it lost against float32."""

    ratio: float
    loss_pt: float


@dataclass(frozen=True, slots=True)
class Reach:
    """The ratio at a loss.  `is_bound` says that the curve ends there without having lost so much,
    so that the ratio is a lower bound.
    """

    ratio: float
    is_bound: bool = False


def ratio_at(points: Sequence[Point], loss_pt: float) -> Reach | None:
    """The ratio at which a curve first loses `loss_pt`, linear in log(ratio) between its points.

    The curve runs through its points by ratio, from no loss at ratio 1.  None where there are no
    points.  Nothing is extrapolated: a curve that never loses so much gives its largest ratio.

    >>> ratio_at([Point(10.0, 0.0), Point(1000.0, 2.0)], 1.0)
    Reach(ratio=100.0, is_bound=False)
    >>> ratio_at([Point(10.0, 0.5)], 1.0)
    Reach(ratio=10.0, is_bound=True)
    """
    before = Point(1.0, 0.0)
    ordered = sorted(points, key=lambda point: point.ratio)
    for point in ordered:
        if point.loss_pt > loss_pt:
            share = (loss_pt - before.loss_pt) / (point.loss_pt - before.loss_pt)
            low, high = math.log10(before.ratio), math.log10(point.ratio)
            return Reach(10 ** (low + share * (high - low)))
        before = point
    return Reach(ordered[-1].ratio, is_bound=True) if ordered else None


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation (0 for one value); of ≥ 1 values.

    >>> spread([1.0, 3.0])
    (2.0, 1.4142135623730951)
    """
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, 0.0
    return mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))
