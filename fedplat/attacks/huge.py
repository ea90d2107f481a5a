"""Updates that are numbers, and larger than any other by far."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat.attacks.lies import Knowledge, Rows, Seen

LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Huge:
    """Sends `value` in every coordinate; its square is no float32 number.

    An aggregate that adds in float32, or looks at lengths in it, overflows.
    """

    name: ClassVar[str] = "huge"
    knowledge: ClassVar[Knowledge] = "own"
    value: float = 1e30

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and abs(self.value) <= LARGEST):
            raise ValueError(f"value must be a float32 number, got {self.value!r}")

    def craft(self, seen: Seen) -> Rows:
        return np.full_like(seen.own, self.value)
