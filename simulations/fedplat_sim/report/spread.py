"""How unequally a model serves the clients: the mean, the tenth that fares worst, the worst."""

from collections.abc import Sequence
from dataclasses import dataclass

from fedplat.telemetry.records import Evaluation


@dataclass(frozen=True, slots=True)
class Spread:
    """Three numbers of a distribution over clients; `tail_name` says which quantile `tail` is.

    Of an accuracy the 10th percentile is the tail, of an error the 90th.
    """

    mean: float | None
    tail: float | None
    worst: float | None
    tail_name: str = "10th percentile"


def spread_of(evaluation: Evaluation) -> Spread:
    """The spread that was recorded, or that of the clients' errors in a regression."""
    errors = [one.rmse for one in evaluation.clients.values() if one.rmse is not None]
    if errors:
        errors.sort()
        mean = sum(errors) / len(errors)
        return Spread(mean, quantile(errors, 0.9), errors[-1], "90th percentile")
    return Spread(evaluation.mean, evaluation.p10, evaluation.worst)


def quantile(ordered: Sequence[float], q: float) -> float:
    """The q-quantile of ordered values, linear between neighbours.

    >>> quantile([1.0, 2.0, 3.0], 0.75)
    2.5
    """
    at = q * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])
