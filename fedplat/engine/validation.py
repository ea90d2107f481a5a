"""Which model is best, by the clients' validation splits: never by anybody's test data."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from fedplat.types import Digest, Metrics, merge

LOSSES = ("personal/validation/loss", "global/validation/loss")


@dataclass(frozen=True, slots=True)
class Validated:
    """A round's model with its loss on the clients' validation splits."""

    round_id: int
    loss: Fraction
    broadcast: Digest
    kept: Digest
    model: Digest


@dataclass(slots=True)
class Validation:
    """The best model so far, and how many evaluations in a row were no better.

    One of which nothing is known (nobody disclosed a loss, nobody has validation samples) is not
    counted: it says nothing of the model.
    """

    best: Validated | None = None
    not_better: int = 0

    def judge(self, model: Validated | None) -> None:
        """Takes a model with its loss, if there is any."""
        if model is None:
            return
        if self.best is None or model.loss < self.best.loss:
            self.best, self.not_better = model, 0
        else:
            self.not_better += 1


def validation_loss(surveys: Iterable[Metrics]) -> Fraction | None:
    """The mean loss over all validation samples: of the clients' own models, if they have such.

    Exact, so that the order in which clients answer has no say in which model is best.
    Edge cases: None, if no client has a validation sample.
    """
    merged = merge(surveys)
    means = (merged[name] for name in LOSSES if name in merged)
    return next((mean.total / mean.count for mean in means if mean.count), None)
