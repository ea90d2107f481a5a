"""Turns the arrays that a source has read into checked data sets."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedplat import check
from fedplat.data.loaded import hold_out
from fedplat.errors import ConfigError, DataError
from fedplat.types import Dataset, TaskKind


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """What a source read from one place, before any check.  `where` is what errors name.

    Shapes: `inputs` (samples, *features), uint8 for images of 0–255; `targets` (samples,) or
    (samples, outputs); `groups` (samples,) numbers or texts.
    """

    where: str
    inputs: NDArray[np.generic]
    targets: NDArray[np.generic]
    groups: NDArray[np.generic] | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How samples become data sets.

    `classes` empty: the distinct labels of the training samples are the classes, in order.
    `indexed`: a label is a position in `classes`; otherwise it is one of the classes' names.
    `test_fraction`: what is held out for the test set; 0: nothing, for a client's own data.
    `normalize`: a mean and a standard deviation for all inputs, applied after scaling to [0, 1].
    """

    task: TaskKind = "classification"
    classes: tuple[str, ...] = ()
    indexed: bool = False
    normalize: tuple[float, float] | None = None
    test_fraction: float | None = None

    def __post_init__(self) -> None:
        if self.test_fraction is not None and self.test_fraction != 0:
            check.positive(test_fraction=self.test_fraction)
            check.fraction(test_fraction=self.test_fraction)
        if self.normalize is not None:
            check.positive(normalize_std=self.normalize[1])
            check.at_least(-math.inf, normalize_mean=self.normalize[0])
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"a class stands twice in {self.classes}")

    def __call__(self, train: Samples, test: Samples | None, seed: int) -> tuple[Dataset, Dataset]:
        """Makes the training and the test set; without `test`, a fraction of `train` is held out.

        Raises: DataError, if the samples are empty, do not fit one another, are not finite, or have
        labels outside the classes.  ConfigError, if `test_fraction` is missing or superfluous.
        """
        if test is not None and self.test_fraction:
            reason = "the data has a test set of its own; remove this option"
            raise ConfigError(where="data.test_fraction", reason=reason)
        if test is None and self.test_fraction is None:
            reason = "the data has no test set: say which fraction to hold out, 0.2 for example"
            raise ConfigError(where="data.test_fraction", reason=reason)
        parts = [train] if test is None else [train, test]
        for part in parts:
            _check_shapes(part, like=train)
        classes = self.classes or self._classes_of(train)
        groups = _group_numbers(parts)
        datasets = [
            Dataset(
                self._inputs(part),
                self._targets(part, classes),
                self.task,
                classes if self.task == "classification" else (),
                group,
            )
            for part, group in zip(parts, groups, strict=True)
        ]
        if self.test_fraction == 0 and test is None:
            return datasets[0], datasets[0].take(torch.arange(0))
        if self.test_fraction:
            return hold_out(datasets[0], self.test_fraction, seed, train.where)
        return datasets[0], datasets[1]

    def _inputs(self, part: Samples) -> Tensor:
        inputs = torch.empty(part.inputs.shape, dtype=torch.float32)
        _fill(inputs, part.inputs)
        if part.inputs.dtype == np.uint8:
            inputs.div_(255)
        else:
            _check_finite(inputs, part.where, "an input")
        if self.normalize is not None:
            inputs.sub_(self.normalize[0]).div_(self.normalize[1])
        return inputs

    def _classes_of(self, train: Samples) -> tuple[str, ...]:
        if self.task == "regression":
            return ()
        labels = _whole(train)
        distinct = np.unique(labels).tolist()
        if isinstance(distinct[0], str):
            distinct.sort(key=str.encode)
        return tuple(str(label) for label in distinct)

    def _targets(self, part: Samples, classes: tuple[str, ...]) -> Tensor:
        if self.task == "regression":
            return _numbers(part)
        labels = _whole(part)
        if self.indexed and self.classes:
            return _positions(labels, classes, part.where)
        return _named(labels, classes, part.where)


def _check_shapes(part: Samples, like: Samples) -> None:
    count = len(part.inputs)
    if count == 0:
        raise DataError(where=part.where, reason="holds no sample; name a file that has some")
    if len(part.targets) != count:
        reason = f"{count} inputs but {len(part.targets)} labels; they must be as many"
        raise DataError(where=part.where, reason=reason)
    if part.inputs.shape[1:] != like.inputs.shape[1:]:
        reason = (
            f"inputs are {part.inputs.shape[1:]}, those of {like.where} are "
            f"{like.inputs.shape[1:]}; both splits need one shape"
        )
        raise DataError(where=part.where, reason=reason)
    if part.targets.shape[1:] != like.targets.shape[1:]:
        reason = f"targets are {part.targets.shape[1:]}, those of {like.where} differ"
        raise DataError(where=part.where, reason=reason)


def _fill(tensor: Tensor, array: NDArray[np.generic]) -> None:
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, which is refused
        tensor.numpy()[...] = array


def _check_finite(values: Tensor, where: str, what: str) -> None:
    finite = torch.isfinite(values)
    if finite.all():
        return
    sample = int((~finite).nonzero()[0, 0])
    reason = (
        f"{what} of sample {sample} is {values[sample][~finite[sample]].flatten()[0].item()} as "
        "float32; remove or repair such samples"
    )
    raise DataError(where=where, reason=reason)


def _whole(part: Samples) -> NDArray[np.generic]:
    """Labels as integers or texts; whole floats are taken for integers."""
    labels = part.targets
    if labels.ndim != 1:
        reason = f"labels are {labels.shape}, a classification takes one class index per sample"
        raise DataError(where=part.where, reason=reason)
    if labels.dtype.kind in "iuUb":
        return labels
    if labels.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            whole = labels.astype(np.int64)
        if np.array_equal(whole, labels):
            return whole
    wrong = next((x for x in labels.tolist() if not isinstance(x, str) and x != x // 1), None)
    reason = (
        f"labels are {labels.dtype}, e.g. {wrong!r}; a classification takes whole numbers or texts "
        '(for a regression set `task = "regression"`)'
    )
    raise DataError(where=part.where, reason=reason)


def _numbers(part: Samples) -> Tensor:
    if part.targets.dtype.kind not in "iufb":
        reason = f"targets are {part.targets.dtype}; a regression takes numbers"
        raise DataError(where=part.where, reason=reason)
    targets = torch.empty(part.targets.shape, dtype=torch.float32)
    _fill(targets, part.targets)
    _check_finite(targets, part.where, "a target")
    return targets.reshape(len(targets), -1)


def _positions(labels: NDArray[np.generic], classes: Sequence[str], where: str) -> Tensor:
    if labels.dtype.kind == "U":
        reason = f"labels are texts; with {len(classes)} classes they must be 0…{len(classes) - 1}"
        raise DataError(where=where, reason=reason)
    numbers = labels.astype(np.int64)
    outside = np.flatnonzero((numbers < 0) | (numbers >= len(classes)))
    if len(outside):
        sample = int(outside[0])
        reason = (
            f"label {numbers[sample]} of sample {sample} is outside 0…{len(classes) - 1}; repair "
            "the labels or name all classes by `classes`"
        )
        raise DataError(where=where, reason=reason)
    return torch.from_numpy(numbers)


def _named(labels: NDArray[np.generic], classes: Sequence[str], where: str) -> Tensor:
    position = {name: index for index, name in enumerate(classes)}
    distinct, inverse = np.unique(labels, return_inverse=True)
    names = [str(label) for label in distinct.tolist()]
    unknown = [name for name in names if name not in position]
    if unknown:
        reason = (
            f"label {unknown[0]!r} is none of the {len(classes)} classes of the training samples; "
            "repair the labels or name all classes by `classes`"
        )
        raise DataError(where=where, reason=reason)
    lookup = np.array([position[name] for name in names], dtype=np.int64)
    return torch.from_numpy(lookup[inverse])


def _group_numbers(parts: Sequence[Samples]) -> list[Tensor | None]:
    """The owners of each part as numbers; a test set need not name any."""
    named = [part.groups for part in parts if part.groups is not None]
    if not named:
        return [None] * len(parts)
    everything = np.concatenate([np.asarray(groups) for groups in named])
    numbers = torch.from_numpy(np.unique(everything, return_inverse=True)[1].astype(np.int64))
    pieces = iter(torch.split(numbers, [len(groups) for groups in named]))
    return [None if part.groups is None else next(pieces) for part in parts]
