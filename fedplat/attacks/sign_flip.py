"""Updates turned around."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat import check
from fedplat.attacks.lies import Knowledge, Rows, Seen


@dataclass(frozen=True, slots=True)
class SignFlip:
    """Sends each liar's own update times -`scale`.

    Source: Allen-Zhu et al. 2021, "Byzantine-Resilient Non-Convex Stochastic Gradient Descent",
    §5.  arXiv:2012.14368
    """

    name: ClassVar[str] = "sign_flip"
    knowledge: ClassVar[Knowledge] = "own"
    scale: float = 1.0

    def __post_init__(self) -> None:
        check.positive(scale=self.scale)

    def craft(self, seen: Seen) -> Rows:
        return seen.own * np.float32(-self.scale)
