"""Means over seeds, and paired differences with their 95 % intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum, sqrt

from scipy.special import stdtrit

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean of n values, their standard deviation, and the interval of the mean.

    `sd`, `low` and `high` are None where one value alone says nothing about the spread.
    """

    n: int
    mean: float
    sd: float | None = None
    low: float | None = None
    high: float | None = None


def estimate(values: Sequence[float]) -> Estimate | None:
    """Mean, standard deviation (n − 1) and the 95 % interval by Student's t; None of no values.

    Guarantees: the interval is mean ± t(0.975, n − 1) · sd / √n.  It supposes that the values are
    independent and about normal; with few of them that can not be checked.
    Source: Student 1908, "The Probable Error of a Mean".

    >>> estimate([1.0, 2.0, 3.0]).sd
    1.0
    """
    n = len(values)
    if n == 0:
        return None
    mean = fsum(values) / n
    if n == 1:
        return Estimate(1, mean)
    sd = sqrt(fsum((value - mean) ** 2 for value in values) / (n - 1))
    reach = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * sd / sqrt(n)
    return Estimate(n, mean, sd, mean - reach, mean + reach)


def paired(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Estimate | None:
    """The differences ours − theirs, seed by seed, over the seeds that both have; None of none.

    >>> paired({1: 0.9, 2: 0.8}, {1: 0.7, 3: 0.1}).n
    1
    """
    seeds = sorted(ours.keys() & theirs.keys())
    return estimate([ours[seed] - theirs[seed] for seed in seeds])
