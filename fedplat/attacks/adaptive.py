"""The worst of many lies against the coordinator's very rule."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat import check
from fedplat.attacks.lies import Knowledge, Rows, Seen, Wide
from fedplat.attacks.search import most_harmful_at_any_scale


@dataclass(frozen=True, slots=True)
class Adaptive:
    """Sends, of lies in eight directions, the one that carries the rule's aggregate furthest away.

    The directions lead from the honest mean, both ways: along the standard deviation of every
    coordinate, the mean's signs, the mean itself, and to the honest update that is furthest from
    it.  Along each the factor is searched for, by `trials`, at scales from an eighth of `step` on;
    factor 1 is the length of the standard deviations.

    Source: the objective of Shejwalkar and Houmansadr 2021, "Manipulating the Byzantine", §4, with
    the rule known; directions are theirs (§4.2.1) and those of `ipm` and `mimic`.
    """

    name: ClassVar[str] = "adaptive"
    knowledge: ClassVar[Knowledge] = "rule"
    step: float = 0.5
    trials: int = 20

    def __post_init__(self) -> None:
        check.positive(step=self.step)
        check.whole(1, trials=self.trials)

    def craft(self, seen: Seen) -> Rows:
        mean, directions = seen.mean(), _directions(seen)
        harms = seen.rule().along(seen.crowd, mean, directions, seen.liars)
        found = [most_harmful_at_any_scale(harm, self.step, self.trials) for harm in harms]
        worst = max(range(len(found)), key=lambda k: (found[k][1], -k))
        return seen.all_say(mean + found[worst][0] * directions[worst])


def _directions(seen: Seen) -> Wide:
    """All of one length.  Shapes: (8, d)."""
    mean, deviation = seen.mean(), seen.deviation()
    distances = ((seen.crowd - mean) ** 2).sum(axis=1)
    furthest = seen.crowd[int(np.argmax(distances))] - mean if len(distances) else mean
    axes = np.stack([deviation, np.sign(mean), mean, furthest])
    lengths = np.linalg.norm(axes, axis=1, keepdims=True)
    usual = lengths[0, 0] or lengths[2, 0]  # equal updates do not deviate
    axes = usual * axes / np.where(lengths > 0, lengths, 1)
    return np.concatenate([axes, -axes])
