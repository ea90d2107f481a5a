"""Taking part without training."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from fedplat import check, rng
from fedplat.attacks.lies import Knowledge, Rows, Seen

Disguise = Literal["last", "random"]


@dataclass(frozen=True, slots=True)
class FreeRider:
    """Sends the last round's step of the global model, plus noise, in place of an update.

    Every client can tell that step from the models that it was given; before a second one it is 0.
    `disguise = "random"` sends the noise alone.  The noise is normal, of standard deviation
    `noise`; 0 is none.

    Source: Lin et al. 2019, "Free-riders in Federated Learning: Attacks and Defenses", §III (random
    weights, delta weights, advanced delta weights).  arXiv:1911.12560; Fraboni et al. 2021,
    "Free-rider Attacks on Model Aggregation in Federated Learning", §3.  arXiv:2006.11901
    Deviates: the noise does not shrink over the rounds, and random weights are normal.
    """

    name: ClassVar[str] = "free_rider"
    knowledge: ClassVar[Knowledge] = "own"
    remembers: ClassVar[bool] = True
    disguise: Disguise = "last"
    noise: float = 1e-3

    def __post_init__(self) -> None:
        check.one_of(("last", "random"), disguise=self.disguise)
        check.non_negative(noise=self.noise)

    def craft(self, seen: Seen) -> Rows:
        drawn = rng.numpy_generator(seen.seed, "free_rider")
        sent = drawn.standard_normal(seen.own.shape, dtype=np.float32) * np.float32(self.noise)
        if self.disguise == "last" and seen.last is not None:
            sent = sent + seen.last
        return sent
