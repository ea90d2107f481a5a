"""Training on labels that are turned around."""

from dataclasses import dataclass
from typing import ClassVar

from fedplat.attacks.labels import num_classes, relabelled
from fedplat.types import Dataset


@dataclass(frozen=True, slots=True)
class LabelFlip:
    """Trains on class C − 1 − y in place of y.

    Source: Tolpegin et al. 2020, "Data Poisoning Attacks Against Federated Learning Systems"; the
    mapping is that of Allen-Zhu et al. 2021 (see `sign_flip`).  arXiv:2007.08432
    Raises: ValueError from `poison`, if the task has no classes.
    """

    name: ClassVar[str] = "label_flip"

    def poison(self, dataset: Dataset, seed: int) -> Dataset:
        return relabelled(dataset, num_classes(dataset) - 1 - dataset.targets)
