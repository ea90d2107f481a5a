"""What the coordinator has to know of a scenario: numbers and one function, no parts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from fedplat import check
from fedplat.types import ClientId


@dataclass(frozen=True, slots=True)
class Selected:
    """A client that a round asks, with the misfortune that the scenario simulates for it."""

    client: ClientId
    dropout: bool = False
    delay_s: float = 0.0


# draws the clients that a round asks, given the round and the time; the same ones every time
Select = Callable[[int, float], tuple[Selected, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The course of a federation.

    A round asks the clients that `select` draws and closes when `per_round` updates are accepted,
    when nobody is missing, or at `deadline_s`; it needs `quorum` accepted updates.  The model is
    evaluated centrally every `evaluate_every` rounds and after the last one (0: only after the
    last), by the clients of `evaluators` every `federated_every` rounds likewise (None: never).
    `keep_best` makes the result the model with the least loss on the clients' validation splits,
    else it is the last one; `patience` stops after so many of their evaluations without a lesser.
    Units: `deadline_s` seconds after the round opened.
    Raises: ValueError, if a number is out of its range.
    """

    rounds: int
    per_round: int
    select: Select
    evaluators: tuple[ClientId, ...] = ()
    quorum: int = 1
    deadline_s: float | None = None
    on_divergence: Literal["stop", "drop_client"] = "stop"
    evaluate_every: int = 1
    federated_every: int | None = 0
    keep_best: bool = False
    patience: int | None = None

    def __post_init__(self) -> None:
        check.non_negative(rounds=self.rounds, evaluate_every=self.evaluate_every)
        check.at_least(1, per_round=self.per_round, quorum=self.quorum)
        if self.quorum > self.per_round:
            raise ValueError(f"quorum {self.quorum} is more than per_round {self.per_round}")
        if self.deadline_s is not None:
            check.positive(deadline_s=self.deadline_s)
        if self.federated_every is not None:
            check.non_negative(federated_every=self.federated_every)
        if self.patience is not None:
            check.at_least(1, patience=self.patience)

    def evaluates(self, round_id: int) -> bool:
        return round_id == self.rounds or _divides(self.evaluate_every, round_id)

    def evaluates_federated(self, round_id: int) -> bool:
        if self.federated_every is None or not self.evaluators:
            return False
        return round_id == self.rounds or _divides(self.federated_every, round_id)


def _divides(every: int, round_id: int) -> bool:
    return every > 0 and round_id % every == 0
