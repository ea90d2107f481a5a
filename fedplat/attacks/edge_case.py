"""Samples at the edge of their class, learned as another class."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from fedplat import check
from fedplat.attacks.labels import check_classes, num_classes
from fedplat.attacks.lies import Knowledge, Rows, Seen
from fedplat.attacks.scaling import boosted
from fedplat.types import Dataset


@dataclass(frozen=True, slots=True)
class EdgeCase:
    """Trains on the samples of class `source` that are least like it as if they were of `target`.

    These are the `share` of the class (rounded up) that is furthest from its mean.  What is sent
    is the update times `boost`; `boost = 0` takes all clients over the liars, which replaces the
    model.

    Guarantees: all other samples keep their labels, and a data set without the class is unchanged.
    Raises: ValueError from `poison` and `triggered`, if the task has no such classes.
    Source: Wang et al. 2020, "Attack of the Tails: Yes, You Really Can Backdoor Federated
    Learning", §3.  arXiv:2007.05084  Deviates: the tail is that of the liars' own data, by the
    distance to the mean; theirs comes from other data sets.
    """

    name: ClassVar[str] = "edge_case"
    knowledge: ClassVar[Knowledge] = "own"
    source: int = 1
    target: int = 0
    share: float = 0.2
    boost: float = 1.0

    def __post_init__(self) -> None:
        check_classes(source=self.source, target=self.target)
        check.in_unit_interval(share=self.share)
        check.non_negative(boost=self.boost)

    def poison(self, dataset: Dataset, seed: int) -> Dataset:
        targets = dataset.targets.clone()
        targets[self._tail(dataset)] = self.target
        return replace(dataset, targets=targets)

    def triggered(self, dataset: Dataset) -> Dataset:
        """The tail of `dataset`'s class `source`, with the label `target`.

        A model's accuracy on it is the attack's success rate.
        """
        tail = dataset.take(self._tail(dataset))
        return replace(tail, targets=torch.full_like(tail.targets, self.target))

    def craft(self, seen: Seen) -> Rows:
        return boosted(seen, self.boost)

    def _tail(self, dataset: Dataset) -> Tensor:
        """The places of the samples furthest from their class's mean; of equal ones the first."""
        num_classes(dataset, source=self.source, target=self.target)
        places = torch.nonzero(dataset.targets == self.source).flatten()
        if not len(places):
            return places
        inputs = dataset.inputs[places].flatten(1).double()
        distances = (inputs - inputs.mean(dim=0)).square().sum(dim=1)
        order = torch.argsort(distances, descending=True, stable=True)
        return places[order[: math.ceil(self.share * len(places))]]
