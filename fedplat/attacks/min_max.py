"""Lies as far out as the honest updates' own distances allow."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from fedplat import check
from fedplat.attacks.lies import Knowledge, Rows, Seen, Wide

Direction = Literal["std", "sign", "unit"]
DIRECTIONS = ("std", "sign", "unit")
FIRST, LAST = 10.0, 1e-5


@dataclass(frozen=True, slots=True)
class MinMax:
    """Sends the honest mean plus γ times a direction, with the largest γ that does not stand out.

    With `sums` false (Min-Max) no honest update is further from the lie than the two honest ones
    that are furthest apart; with `sums` true (Min-Sum) the sum of squared distances to the lie is
    at most the largest such sum of an honest update.  `direction` is the honest mean's negative
    sign, its negative unit vector, or the negative standard deviation.

    Source: Shejwalkar and Houmansadr 2021, "Manipulating the Byzantine: Optimizing Model Poisoning
    Attacks and Defenses for Federated Learning", §4.2 and Algorithm 1 (γ by halving steps).
    """

    name: ClassVar[str] = "min_max"
    knowledge: ClassVar[Knowledge] = "honest"
    direction: Direction = "std"
    sums: bool = False

    def __post_init__(self) -> None:
        check.one_of(DIRECTIONS, direction=self.direction)

    def craft(self, seen: Seen) -> Rows:
        mean, along = seen.mean(), self._along(seen)
        if not len(seen.crowd):
            return seen.all_say(mean)
        centred = seen.crowd.astype(np.float64) - mean
        squares, products = (centred**2).sum(axis=1), centred @ along
        among = np.maximum(0, squares[:, None] + squares[None] - 2 * centred @ centred.T)
        limit = among.sum(axis=1).max() if self.sums else among.max()
        gamma, step, best = FIRST, FIRST, 0.0
        while step > LAST:
            step /= 2
            distances = squares - 2 * gamma * products + gamma**2 * (along @ along)
            if (distances.sum() if self.sums else distances.max()) <= limit:
                best, gamma = gamma, gamma + step
            else:
                gamma -= step
        return seen.all_say(mean + best * along)

    def _along(self, seen: Seen) -> Wide:
        mean = seen.mean()
        if self.direction == "std":
            return -seen.deviation()
        if self.direction == "sign":
            found: Wide = -np.sign(mean)
            return found
        length = np.linalg.norm(mean)
        return -mean / length if length else -mean


def min_sum(direction: Direction = "std") -> MinMax:
    """Min-Max, by sums of squared distances."""
    return MinMax(direction, sums=True)
