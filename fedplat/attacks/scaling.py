"""Updates made large, so that a mean follows them."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat import check
from fedplat.attacks.lies import Knowledge, Rows, Seen


@dataclass(frozen=True, slots=True)
class Scaling:
    """Sends each liar's own update times `factor`; 0 is all clients over the liars.

    With that factor the mean of all updates is the liars' own, if the others' are small: the model
    that a backdoor was trained into replaces the global one.

    Source: Bagdasaryan et al. 2020, "How To Backdoor Federated Learning", §4.2, model replacement.
    arXiv:1807.00459
    """

    name: ClassVar[str] = "scaling"
    knowledge: ClassVar[Knowledge] = "own"
    factor: float = 0.0

    def __post_init__(self) -> None:
        check.non_negative(factor=self.factor)

    def craft(self, seen: Seen) -> Rows:
        return boosted(seen, self.factor)


def boosted(seen: Seen, factor: float) -> Rows:
    """The liars' own updates times `factor`; 0 is all clients over the liars."""
    scaled: Rows = seen.own * np.float32(factor or seen.count / max(1, seen.liars))
    return scaled
