"""Which model is best, by the clients' validation splits: never by anybody's test data."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from fedplat.engine.commands import Finish
from fedplat.engine.plan import Plan
from fedplat.engine.survey import Survey
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

    def judge(self, survey: Survey, broadcast: Digest, kept: Digest, model: Digest) -> None:
        """Takes a model with what its survey says of it, if that says anything."""
        loss = validation_loss(survey.found.values())
        if loss is not None:
            self._take(Validated(survey.round_id, loss, broadcast, kept, model))

    def stops(self, plan: Plan) -> bool:
        """Whether the plan has no more patience."""
        return plan.patience is not None and self.not_better >= plan.patience

    def result(self, plan: Plan, last: int, broadcast: Digest, model: Digest) -> Finish:
        """The end after the round `last`, which left this model: with the best, if it was kept."""
        best = self.best if plan.keep_best else None
        if best is None:
            return Finish(last, last, broadcast, model)
        return Finish(last, best.round_id, best.broadcast, best.model)

    def _take(self, model: Validated) -> None:
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
