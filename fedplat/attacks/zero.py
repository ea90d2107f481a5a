"""Nothing in place of updates."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat.attacks.lies import Knowledge, Rows, Seen


@dataclass(frozen=True, slots=True)
class Zero:
    """Sends zeros: a free rider, who takes part and has not trained."""

    name: ClassVar[str] = "zero"
    knowledge: ClassVar[Knowledge] = "own"

    def craft(self, seen: Seen) -> Rows:
        return np.zeros_like(seen.own)
