"""Data sets with other labels."""

from dataclasses import replace

from torch import Tensor

from fedplat import check
from fedplat.types import Dataset


def relabelled(dataset: Dataset, targets: Tensor) -> Dataset:
    """The same samples with other labels.

    Raises: ValueError, if the task has no classes.
    """
    num_classes(dataset)
    return replace(dataset, targets=targets)


def num_classes(dataset: Dataset, **classes: int) -> int:
    """How many classes the task has.

    Raises: ValueError, if it has none, or not the `classes` that an attack names.
    """
    if dataset.task != "classification":
        raise ValueError(f"labels of a {dataset.task} can not be turned around")
    count = len(dataset.classes)
    for name, one in classes.items():
        if one >= count:
            raise ValueError(f"{name} = {one} is no class of a task with classes 0 to {count - 1}")
    return count


def check_classes(**classes: int) -> None:
    """Raises: ValueError, unless every number can be a class's, and no two are the same."""
    check.whole(0, **classes)
    if len(set(classes.values())) < len(classes):
        raise ValueError(f"{' and '.join(classes)} must differ, got {classes}")
