"""How much an update counts that was made of an older model than the one it is added to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from fedplat import check


class Staleness(Protocol):
    """The factor of an update that is `rounds` rounds old: 1 where it is 0, never more."""

    def __call__(self, rounds: int, /) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """Every update counts alike.

    Source: Xie et al. 2019, "Asynchronous Federated Optimization", §5.2.  arXiv:1903.03934
    """

    def __call__(self, rounds: int) -> float:
        return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Polynomial:
    """(1 + τ)^-exponent: FedBuff's choice, with its exponent of a half.

    Source: Nguyen et al. 2022, "Federated Learning with Buffered Asynchronous Aggregation", §5
    (s(τ) = 1/√(1 + τ)).  arXiv:2106.06639
    """

    exponent: float = 0.5

    def __post_init__(self) -> None:
        check.non_negative(exponent=self.exponent)

    def __call__(self, rounds: int) -> float:
        return float((1 + rounds) ** -self.exponent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hinge:
    """1 up to `grace` rounds, then 1 / (slope (τ − grace) + 1).

    Source: Xie et al. 2019, §5.2 (their b and a).  arXiv:1903.03934
    """

    grace: int = 4
    slope: float = 10.0

    def __post_init__(self) -> None:
        check.non_negative(grace=self.grace, slope=self.slope)

    def __call__(self, rounds: int) -> float:
        return 1 / (self.slope * max(0, rounds - self.grace) + 1)


BY_NAME: Mapping[str, type[Staleness]] = {
    "constant": Constant,
    "hinge": Hinge,
    "polynomial": Polynomial,
}
