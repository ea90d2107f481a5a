"""Lies made for one rule, of those who know which it is and see all updates."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat import check, rng
from fedplat.attacks.lies import Knowledge, Rows, Seen, Wide

SMALLEST = 1e-5  # the paper's threshold, at which it gives up


@dataclass(frozen=True, slots=True)
class FangKrum:
    """Sends −λ in the direction of the honest mean's signs, with the largest λ that Krum selects.

    All liars send the same, so that each is the others' nearest neighbour.  λ is halved from the
    paper's upper bound until Krum, for as many liars as there are, selects the lie.

    Source: Fang et al. 2020, "Local Model Poisoning Attacks to Byzantine-Robust Federated
    Learning", §4.2, full knowledge, and theorem 1.  arXiv:1911.11815
    """

    name: ClassVar[str] = "fang_krum"
    knowledge: ClassVar[Knowledge] = "honest"

    def craft(self, seen: Seen) -> Rows:
        signs = np.sign(seen.mean())
        honest = seen.crowd.astype(np.float64)
        if not len(honest):
            return seen.all_say(signs)
        squares, among = (honest**2).sum(axis=1), _squared_distances(honest)
        factor = _upper_bound(among, squares, seen)
        while factor >= SMALLEST:
            reached = squares + 2 * factor * (honest @ signs) + factor**2 * np.abs(signs).sum()
            if _selected(among, reached, seen):
                break
            factor /= 2
        return seen.all_say(-factor * signs)


def _squared_distances(rows: Wide) -> Wide:
    squares, products = (rows**2).sum(axis=1), rows @ rows.T
    found: Wide = np.maximum(0, squares[:, None] + squares[None] - 2 * products)
    np.fill_diagonal(found, 0)
    return found


def _upper_bound(among: Wide, squares: Wide, seen: Seen) -> float:
    """Theorem 1's.  Shapes: `among` (honest, honest), `squares` (honest,)."""
    n, f, dim = seen.count, seen.liars, max(1, seen.own.shape[1])
    nearest = np.sort(among, axis=1)[:, 1 : max(1, n - f - 1)].sum(axis=1).min()
    return float(np.sqrt(nearest / (max(1, n - 2 * f - 1) * dim)) + np.sqrt(squares.max() / dim))


def _selected(among: Wide, reached: Wide, seen: Seen) -> bool:
    """Whether the lie's score is below all honest ones.  Shapes: `reached` (honest,)."""
    f, neighbours = seen.liars, max(0, seen.count - seen.liars - 2)
    of_lie = np.sort(np.append(np.zeros(max(0, f - 1)), reached))[:neighbours].sum()
    others = np.sort(np.hstack([among, np.repeat(reached[:, None], f, axis=1)]), axis=1)
    return bool(of_lie < others[:, 1 : 1 + neighbours].sum(axis=1).min())


@dataclass(frozen=True, slots=True)
class FangTrimmedMean:
    """Sends, in every coordinate, values beyond the honest ones on the side away from their mean.

    Where the honest mean is positive these are drawn between the honest minimum m and m·b or m/b,
    whichever is smaller; else between the honest maximum and the larger of these.  It is made for
    trimmed mean and median.

    Source: Fang et al. 2020, "Local Model Poisoning Attacks to Byzantine-Robust Federated
    Learning", §4.3, full knowledge, with b = 2 as there.  arXiv:1911.11815
    """

    name: ClassVar[str] = "fang_trimmed_mean"
    knowledge: ClassVar[Knowledge] = "honest"
    b: float = 2.0

    def __post_init__(self) -> None:
        check.at_least(1, b=self.b)

    def craft(self, seen: Seen) -> Rows:
        if not len(seen.crowd):
            return np.zeros_like(seen.own)
        low, high = seen.crowd.min(axis=0), seen.crowd.max(axis=0)
        below = np.minimum(low * self.b, low / self.b) - low
        above = np.maximum(high * self.b, high / self.b) - high
        down = seen.mean() > 0
        drawn = rng.numpy_generator(seen.seed, "fang").random(seen.own.shape)
        lies: Rows = (np.where(down, low, high) + drawn * np.where(down, below, above)).astype(
            np.float32
        )
        return lies
