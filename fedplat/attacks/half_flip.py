"""Training on labels of which only the upper half is turned around."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from fedplat.attacks.labels import num_classes, relabelled
from fedplat.types import Dataset


@dataclass(frozen=True, slots=True)
class HalfFlip:
    """Trains on class C − 1 − y in place of y where y is of the upper half of the classes.

    The lower half is learned as it is, so a defence that tests an update on these classes finds it
    useful.  Of an odd number of classes the one in the middle is learned as it is.

    Source: this platform's own, against Verbraeken et al. 2021, "Bristle: Decentralized Federated
    Learning in Byzantine, Non-i.i.d. Environments"; the mapping is `label_flip`'s.
    Raises: ValueError from `poison`, if the task has no classes.
    """

    name: ClassVar[str] = "half_flip"

    def poison(self, dataset: Dataset, seed: int) -> Dataset:
        turned = num_classes(dataset) - 1 - dataset.targets
        return relabelled(dataset, torch.minimum(dataset.targets, turned))
