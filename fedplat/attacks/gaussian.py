"""Noise in place of updates."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedplat import check, rng
from fedplat.attacks.lies import Knowledge, Rows, Seen


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Sends independent normal values of mean 0 and standard deviation `std`.

    Source: Blanchard et al. 2017, "Machine Learning with Adversaries: Byzantine Tolerant Gradient
    Descent", §5.  arXiv:1703.02757
    """

    name: ClassVar[str] = "gaussian"
    knowledge: ClassVar[Knowledge] = "own"
    std: float = 1.0

    def __post_init__(self) -> None:
        check.positive(std=self.std)

    def craft(self, seen: Seen) -> Rows:
        drawn = rng.numpy_generator(seen.seed, "gaussian")
        return drawn.standard_normal(seen.own.shape, dtype=np.float32) * np.float32(self.std)
