"""A data set as it comes out of a source: checked, named, and with a test set held out."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedplat import rng
from fedplat.errors import ConfigError
from fedplat.types import Dataset


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A data set with its test set.  `source` says where it is from, `licence` what it allows."""

    train: Dataset
    test: Dataset
    source: str
    licence: str = "unknown: ask whoever gave you the files"


def hold_out(
    dataset: Dataset, fraction: float, seed: int, where: str = "data"
) -> tuple[Dataset, Dataset]:
    """Splits off a test set of `fraction` of the samples, class by class.

    Guarantees: a function of the data and the seed; every sample in exactly one of the two; a
    class's share differs from `fraction` by less than one sample, and no class loses its last one.
    Raises: ConfigError, if one of the two would be empty.
    """
    generator = rng.numpy_generator(seed, "data", "test")
    labels = dataset.targets.numpy() if dataset.task == "classification" else np.zeros(len(dataset))
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    quotas = [len(rows) * fraction for rows in members]
    taken = [math.floor(quota) for quota in quotas]
    missing = round(len(dataset) * fraction) - sum(taken)
    room = [k for k, rows in enumerate(members) if taken[k] + 1 < len(rows)]
    for k in sorted(room, key=lambda k: (taken[k] - quotas[k], k))[: max(missing, 0)]:
        taken[k] += 1
    drawn = [
        generator.permutation(rows)[:count] for rows, count in zip(members, taken, strict=True)
    ]
    test = np.zeros(len(dataset), dtype=bool)
    test[np.concatenate(drawn)] = True
    if test.all() or not test.any():
        reason = f"{fraction} of {len(dataset)} samples in {where} leaves a split without samples"
        raise ConfigError(where="data.test_fraction", reason=reason)
    return dataset.take(_rows(~test)), dataset.take(_rows(test))


def _rows(mask: NDArray[np.bool_]) -> Tensor:
    return torch.from_numpy(np.flatnonzero(mask))
