"""Updates that are no numbers."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from fedplat import check
from fedplat.attacks.lies import Knowledge, Rows, Seen

Value = Literal["nan", "inf", "-inf"]


@dataclass(frozen=True, slots=True)
class NotFinite:
    """Sends NaN, or an infinity, in every coordinate.

    A mean without a check of what comes in is lost in one round.
    """

    name: ClassVar[str] = "not_finite"
    knowledge: ClassVar[Knowledge] = "own"
    value: Value = "nan"

    def __post_init__(self) -> None:
        check.one_of(("nan", "inf", "-inf"), value=self.value)

    def craft(self, seen: Seen) -> Rows:
        return np.full_like(seen.own, float(self.value))
