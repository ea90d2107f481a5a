"""A lie within the honest updates' spread."""

from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

from fedplat import check
from fedplat.attacks.lies import Knowledge, Rows, Seen


@dataclass(frozen=True, slots=True)
class ALIE:
    """Sends the honest mean plus z standard deviations in every coordinate.

    `z = 0` takes the largest z for which, were updates normal, enough honest ones lie further out
    than the liars to make a majority with them: Φ⁻¹((n − f − s) / (n − f)), s = ⌊n/2 + 1⌋ − f.

    Source: Baruch et al. 2019, "A Little Is Enough: Circumventing Defenses For Distributed
    Learning", Algorithm 3.  arXiv:1902.06156
    """

    name: ClassVar[str] = "alie"
    knowledge: ClassVar[Knowledge] = "honest"
    z: float = 0.0

    def __post_init__(self) -> None:
        check.non_negative(z=self.z)

    def craft(self, seen: Seen) -> Rows:
        z = self.z or largest_z(seen.count, seen.liars)
        return seen.all_say(seen.mean() + z * seen.deviation())


def largest_z(n: int, f: int) -> float:
    """The paper's z_max for n clients, f of them liars; 0 where they have no majority to win."""
    honest = n - f
    supporters = n // 2 + 1 - f
    share = (honest - supporters) / honest if honest else 0.5
    return max(0.0, NormalDist().inv_cdf(min(max(share, 0.5), 1 - 1e-9)))
