"""The honest mean turned around."""

from dataclasses import dataclass
from typing import ClassVar

from fedplat import check
from fedplat.attacks.lies import Knowledge, Rows, Seen


@dataclass(frozen=True, slots=True)
class InnerProduct:
    """Sends the honest mean times -`epsilon` (IPM; "Fall of Empires").

    Source: Xie et al. 2020, "Fall of Empires: Breaking Byzantine-tolerant SGD by Inner Product
    Manipulation", §4.  arXiv:1903.03936
    """

    name: ClassVar[str] = "ipm"
    knowledge: ClassVar[Knowledge] = "honest"
    epsilon: float = 0.1

    def __post_init__(self) -> None:
        check.positive(epsilon=self.epsilon)

    def craft(self, seen: Seen) -> Rows:
        return seen.all_say(-self.epsilon * seen.mean())
