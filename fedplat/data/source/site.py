"""Data that each client brings itself: the scenario only says what they look like."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from fedplat import check
from fedplat.data.loaded import Loaded
from fedplat.types import Dataset, TaskKind


@dataclass(frozen=True, slots=True)
class Site:
    """Says what the data of every client look like; each names its own in its file's `[data]`.

    `inputs` is the shape of one sample, `outputs` the number of classes (or of a regression's
    targets), `classes` their names where labels are no numbers from 0.  `test` is the coordinator's
    own test set, any other source; without it the clients' evaluations are all there is.
    """

    inputs: tuple[int, ...]
    outputs: int
    task: TaskKind = "classification"
    classes: tuple[str, ...] = ()
    test: Mapping[str, Any] | str | None = None

    def __post_init__(self) -> None:
        for size in self.inputs:
            check.whole(1, inputs=size)
        check.whole(1, outputs=self.outputs)
        if self.classes and (self.task == "regression" or len(self.classes) != self.outputs):
            raise ValueError(f"{len(self.classes)} classes named, but outputs is {self.outputs}")

    @property
    def names(self) -> tuple[str, ...]:
        """The classes, in the order of the model's outputs; none in a regression."""
        if self.task == "regression":
            return ()
        return self.classes or tuple(map(str, range(self.outputs)))

    def load(self, seed: int) -> Loaded:
        """No sample at all, in the right shape: enough to make the model of."""
        inputs = torch.empty(0, *self.inputs, dtype=torch.float32)
        targets = torch.empty(0, self.outputs, dtype=torch.float32)
        if self.task == "classification":
            targets = torch.empty(0, dtype=torch.int64)
        nothing = Dataset(inputs, targets, self.task, self.names)
        return Loaded(nothing, nothing, source="each client's own", licence="each client's own")
