"""ALIE and IPM with the factor that carries the coordinator's rule furthest away."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from fedplat import check
from fedplat.attacks.lies import Knowledge, Rows, Seen

Base = Literal["alie", "ipm"]


@dataclass(frozen=True, slots=True)
class Optimised:
    """Sends the honest mean plus a factor times a direction, the factor found by line search.

    The direction is the honest standard deviation (`alie`), or the negative honest mean (`ipm`).
    The factor grows from `step`, doubling, as long as the rule's aggregate goes further from the
    honest mean, and is then searched for in steps that shrink; `trials` aggregates in all.

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

        def harm(factor: float) -> float:
            if seen.aggregate is None:
                raise ValueError("an attack that knows the rule needs it")
            rows = np.concatenate([seen.honest, seen.all_say(mean + factor * along)])
            return float(np.linalg.norm(seen.aggregate(rows).astype(np.float64) - mean))

        best, most, step, growing = 0.0, harm(0.0), self.step, True
        for _ in range(self.trials - 1):
            if (found := harm(best + step)) > most:
                best, most = best + step, found
                step *= 2 if growing else 1
            else:
                growing, step = False, step / 2
        return seen.all_say(mean + best * along)
