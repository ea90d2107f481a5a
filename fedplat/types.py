"""The values that everything speaks about: ids, tensor specs, data, metrics, settings, states."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from typing import Any, Literal, NewType

import torch
from jaxtyping import Shaped
from torch import Tensor

ClientId = NewType("ClientId", str)
Digest = NewType("Digest", str)  # SHA-256 in lower-case hex
Role = Literal["weight", "norm", "head"]
Split = Literal["train", "validation", "test"]
TaskKind = Literal["classification", "regression"]
Tensors = Mapping[str, Tensor]


def client_id(index: int) -> ClientId:
    """Names the client of a scenario by its index: `client-000000`, `client-000001` …"""
    return ClientId(f"client-{index:06d}")


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Describes one named tensor of a model.

    `trainable` is False for buffers.  `role` is what personalisation speaks of: `head` for the
    model's output layer, `norm` for normalisation layers with their buffers, `weight` for the rest.
    """

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    trainable: bool = True
    role: Role = "weight"

    @property
    def numel(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Holds samples in memory.

    Shapes: `inputs` (samples, *features) float32; `targets` (samples,) int64 class indices, or
    (samples, outputs) float32 for a regression; `groups` (samples,) int64: the natural owner of
    each sample (writer, hospital), where the source names one.
    """

    inputs: Shaped[Tensor, "samples *features"]
    targets: Shaped[Tensor, "samples *outputs"]
    task: TaskKind = "classification"
    classes: tuple[str, ...] = ()
    groups: Shaped[Tensor, " samples"] | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def num_outputs(self) -> int:
        """The width of a model's last layer for this data."""
        return len(self.classes) if self.task == "classification" else prod(self.targets.shape[1:])

    def take(self, indices: Shaped[Tensor, " taken"]) -> "Dataset":
        """Copies the samples at `indices`, in that order."""
        groups = None if self.groups is None else self.groups[indices]
        return Dataset(self.inputs[indices], self.targets[indices], self.task, self.classes, groups)


@dataclass(frozen=True, slots=True, eq=False)
class ClientData:
    """A client's three splits: training sees `train`, selection and tuning `validation` only."""

    train: Dataset
    validation: Dataset
    test: Dataset

    def split(self, name: Split) -> Dataset:
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean that merges exactly: a fraction as sum and an integer count, never the quotient."""

    total: Fraction
    count: int

    @classmethod
    def of(cls, total: float, count: int) -> "Mean":
        """Raises: ValueError or OverflowError, if `total` is not finite."""
        return cls(Fraction(total), count)

    def __reduce__(self) -> tuple[Any, ...]:
        """As integers: a fraction by itself is pickled as text, which is slow to read."""
        return _mean, (self.total.numerator, self.total.denominator, self.count)

    def __add__(self, other: "Mean") -> "Mean":
        return Mean(self.total + other.total, self.count + other.count)

    @property
    def value(self) -> float | None:
        """The mean, or None where nothing was counted."""
        return float(self.total / self.count) if self.count else None


def _mean(numerator: int, denominator: int, count: int) -> Mean:
    return Mean(Fraction(numerator, denominator), count)


Metrics = Mapping[str, Mean]


def merge(metrics: Iterable[Metrics]) -> dict[str, Mean]:
    """Adds up metrics by name.

    Guarantees: associative and commutative without rounding, so that any order and any grouping of
    clients gives the same numbers.
    """
    merged: dict[str, Mean] = {}
    for one in metrics:
        for name, mean in one.items():
            merged[name] = merged[name] + mean if name in merged else mean
    return dict(sorted(merged.items()))


def values(metrics: Metrics) -> dict[str, float | None]:
    """Reduces metrics to plain numbers, for people and JSON; None where nothing was counted."""
    return {name: mean.value for name, mean in metrics.items()}


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """How a client trains: the optimizer and the amount of work, not the mathematics around it.

    Exactly one of `epochs` and `steps` is given.
    """

    optimizer: Literal["sgd", "adam"] = "sgd"
    """Starts anew in every round: no moment outlives it."""
    lr: float = 0.05
    """The learning rate of a local step."""
    momentum: float = 0.0
    """SGD's momentum."""
    weight_decay: float = 0.0
    """Times the weights, added to the gradient."""
    clip_norm: float | None = None
    """The largest l2 norm that a step's gradient may have; a longer one is scaled down to it."""
    batch_size: int = 32
    """Samples a step; a last batch that is smaller is used, not dropped."""
    epochs: int | None = None
    """Passes over the client's training split in a round."""
    steps: int | None = None
    """Steps in a round, whatever the size of the split."""

    def num_steps(self, samples: int) -> int:
        """The number of local steps on a shard of `samples`; 0 on an empty one."""
        if samples == 0:
            return 0
        if self.steps is not None:
            return self.steps
        return (self.epochs or 0) * -(-samples // self.batch_size)


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What a client or a server remembers between rounds: named tensors and nothing else.

    A number that must survive is a tensor with one element: so a state serialises as tensors do.
    """

    tensors: Tensors = field(default_factory=dict)

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def put(self, **tensors: Tensor) -> "State":
        return State({**self.tensors, **tensors})


@dataclass(frozen=True, slots=True)
class Environment:
    """The numerics platform that a result belongs to; digests are comparable only within one."""

    torch: str
    cpu_capability: str
    machine: str
    threads: int
    flags: tuple[str, ...] = ()
