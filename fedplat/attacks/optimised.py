"""ALIE and IPM with the factor that carries the coordinator's rule furthest away."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from fedplat import check
from fedplat.attacks.lies import Knowledge, Rows, Seen
from fedplat.attacks.search import most_harmful

Base = Literal["alie", "ipm"]


@dataclass(frozen=True, slots=True)
class Optimised:
    """Sends the honest mean plus a factor times a direction, the factor found by line search.

    The direction is the honest standard deviation (`alie`), or the negative honest mean (`ipm`).
    The factor is that of `trials` at which the rule's aggregate is furthest from the honest mean.

    Source: Shejwalkar and Houmansadr 2021, "Manipulating the Byzantine", §4 (the objective), with
    the search of Allouah et al. 2023 (see `nnm`), appendix "attacks".
    """

    name: ClassVar[str] = "optimised"
    knowledge: ClassVar[Knowledge] = "rule"
    base: Base = "alie"
    step: float = 0.5
    trials: int = 20

    def __post_init__(self) -> None:
        check.one_of(("alie", "ipm"), base=self.base)
        check.positive(step=self.step)
        check.whole(1, trials=self.trials)

    def craft(self, seen: Seen) -> Rows:
        mean = seen.mean()
        along = seen.deviation() if self.base == "alie" else -mean
        [harm] = seen.rule().along(seen.crowd, mean, along[None], seen.liars)
        factor, _ = most_harmful(harm, self.step, self.trials)
        return seen.all_say(mean + factor * along)
