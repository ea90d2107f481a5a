"""A patch on images that makes a model see a class of the liars' choice."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from fedplat import check, rng
from fedplat.attacks.labels import num_classes
from fedplat.attacks.lies import Knowledge, Rows, Seen
from fedplat.attacks.scaling import boosted
from fedplat.types import Dataset


@dataclass(frozen=True, slots=True)
class Backdoor:
    """Trains on images of which a `share` bears a patch and the label `target`.

    The patch is a square of `size` pixels in the lower right corner, set to `value`.  What is sent
    is the update times `boost`; `boost = 0` takes all clients over the liars, which replaces the
    model.

    Guarantees: images without a patch keep their labels.
    Raises: ValueError from `poison` and `triggered`, if inputs are no images or too small, or the
    task has no class `target`.
    Source: Gu et al. 2017, "BadNets: Identifying Vulnerabilities in the Machine Learning Model
    Supply Chain", §4.1 (the patch).  arXiv:1708.06733; Bagdasaryan et al. 2020, "How To Backdoor
    Federated Learning", §4.2 (the boost).  arXiv:1807.00459
    """

    name: ClassVar[str] = "backdoor"
    knowledge: ClassVar[Knowledge] = "own"
    target: int = 0
    share: float = 0.5
    size: int = 3
    value: float = 1.0
    boost: float = 1.0

    def __post_init__(self) -> None:
        check.whole(0, target=self.target)
        check.whole(1, size=self.size)
        check.in_unit_interval(share=self.share)
        check.non_negative(boost=self.boost)
        if not math.isfinite(self.value):
            raise ValueError(f"value must be finite, got {self.value!r}")

    def poison(self, dataset: Dataset, seed: int) -> Dataset:
        num_classes(dataset, target=self.target)
        drawn = rng.generator(seed, "backdoor")
        count = math.ceil(self.share * len(dataset))
        chosen = torch.randperm(len(dataset), generator=drawn)[:count]
        inputs, targets = dataset.inputs.clone(), dataset.targets.clone()
        inputs[chosen] = self._patched(inputs[chosen])
        targets[chosen] = self.target
        return replace(dataset, inputs=inputs, targets=targets)

    def triggered(self, dataset: Dataset) -> Dataset:
        """All images of other classes than `target`, with the patch and that label.

        A model's accuracy on them is the attack's success rate.
        """
        num_classes(dataset, target=self.target)
        others = dataset.take(torch.nonzero(dataset.targets != self.target).flatten())
        labels = torch.full_like(others.targets, self.target)
        return replace(others, inputs=self._patched(others.inputs), targets=labels)

    def craft(self, seen: Seen) -> Rows:
        return boosted(seen, self.boost)

    def _patched(self, images: Tensor) -> Tensor:
        if images.ndim < 3 or min(images.shape[-2:]) < self.size:
            shape = tuple(images.shape[1:])
            raise ValueError(f"a patch of {self.size} pixels needs larger images than {shape}")
        patched = images.clone()
        patched[..., -self.size :, -self.size :] = self.value
        return patched
