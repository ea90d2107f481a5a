"""Answering as late as possible, or never."""

from dataclasses import dataclass
from typing import ClassVar

from fedplat import check


@dataclass(frozen=True, slots=True)
class Straggler:
    """Trains as everyone, and answers `late_s` seconds after it could have, or never.

    A coordinator that waits for everyone waits for it.  `late_s = 0` is never.
    """

    name: ClassVar[str] = "straggler"
    late_s: float = 0.0

    def __post_init__(self) -> None:
        check.non_negative(late_s=self.late_s)

    def delay_s(self, seed: int) -> float | None:
        return self.late_s or None
