"""The sign that most rows have."""

from dataclasses import dataclass
from typing import ClassVar

from fedplat.aggregators import kinds
from fedplat.aggregators.rules import Window


@dataclass(frozen=True, slots=True)
class SignMajority:
    """Gives every coordinate the sign that most rows have there; 0, where as many have either.

    Guarantees: less than half of the rows can not turn a sign on which all others agree.
    Source: Bernstein et al. 2019, "signSGD with Majority Vote is Communication Efficient and Fault
    Tolerant", Algorithm 1.  arXiv:1810.05291
    """

    name: ClassVar[str] = "sign_majority"

    def window(self, n: int) -> Window:
        return Window(kinds.SIGNS, 0, n)
