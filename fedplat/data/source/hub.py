"""Data sets of the Hugging Face hub, through flwr-datasets (the optional extra `hf`)."""

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedplat.data.loaded import Loaded
from fedplat.data.parts import nearest
from fedplat.data.reading import Reading, Samples
from fedplat.errors import DataError
from fedplat.types import TaskKind

_INSTALL = "pip install 'fedplat[hf]'"


@dataclass(frozen=True, slots=True)
class Hub:
    """Reads a data set of the Hugging Face hub, named `hf:NAME` in a scenario.

    `inputs` is the column of images or of number lists, `label` that of the targets, `group` that
    of the natural owner.  With `test_fraction` the test set is cut from the training split and
    `test_split` is not read.  Downloads once; after that the hub's own cache answers.

    Shapes: inputs (samples, channels, height, width) in [0, 1] for images, else (samples, *dims).
    """

    dataset: str
    subset: str | None = None
    inputs: str = "image"
    label: str = "label"
    group: str | None = None
    train_split: str = "train"
    test_split: str = "test"
    task: TaskKind = "classification"
    normalize: tuple[float, float] | None = None
    test_fraction: float | None = None

    def __post_init__(self) -> None:
        self._reading(())

    def load(self, seed: int) -> Loaded:
        """Raises: DataError, if the extra, the data set or a column is missing."""
        source = _open(self.dataset, self.subset, self.train_split)
        train = self._samples(source, self.train_split)
        test = None
        if self.test_fraction is None:
            test = self._samples(source, self.test_split)
        classes = _classes(_split(source, self.train_split, self.dataset), self.label)
        name = f"Hugging Face data set {self.dataset}"
        licence = f"see https://huggingface.co/datasets/{self.dataset}"
        return Loaded(*self._reading(classes)(train, test, seed), source=name, licence=licence)

    def _reading(self, classes: tuple[str, ...]) -> Reading:
        return Reading(self.task, classes, True, self.normalize, self.test_fraction)

    def _samples(self, source: Any, split: str) -> Samples:
        rows = _split(source, split, self.dataset)
        where = f"hf:{self.dataset} [{split}]"
        for option, column in (("inputs", self.inputs), ("label", self.label)):
            _check_column(rows.column_names, column, option, where)
        groups = None
        if self.group is not None:
            _check_column(rows.column_names, self.group, "group", where)
            groups = np.asarray(rows[self.group])
        inputs = _stack([np.asarray(one) for one in rows[self.inputs]], self.inputs, where)
        return Samples(where, inputs, np.asarray(rows[self.label]), groups)


def _open(dataset: str, subset: str | None, split: str) -> Any:
    if importlib.util.find_spec("flwr_datasets") is None:
        reason = f"hf: data sets need the optional extra; install it by: {_INSTALL}"
        raise DataError(where=f"hf:{dataset}", reason=reason)
    # flwr-datasets reports every use to its makers unless told otherwise before it is imported.
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    from flwr_datasets import FederatedDataset

    # Without a shuffle: the partitioners of fedplat draw from the scenario's own seed.
    return FederatedDataset(dataset=dataset, subset=subset, partitioners={split: 1}, shuffle=False)


def _split(source: Any, split: str, dataset: str) -> Any:
    try:
        return source.load_split(split)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = (
            f"split {split!r} can not be had ({error}); check the name, the splits and the "
            "network, or give `test_fraction` for a data set without test split"
        )
        raise DataError(where=f"hf:{dataset}", reason=reason) from error


def _classes(rows: Any, label: str) -> tuple[str, ...]:
    return tuple(getattr(rows.features[label], "names", None) or ())


def _check_column(columns: Sequence[str], column: str, option: str, where: str) -> None:
    if column not in columns:
        reason = (
            f"there is no column {column!r}{nearest(column, columns)}; the columns are "
            f"{', '.join(columns)}: name one by `{option}`"
        )
        raise DataError(where=where, reason=reason)


def _stack(arrays: list[NDArray[np.generic]], column: str, where: str) -> NDArray[np.generic]:
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        reason = f"column {column!r} has unequal shapes ({sorted(shapes)[:2]} …); choose another"
        raise DataError(where=where, reason=reason)
    stacked = np.stack(arrays)
    if stacked.dtype == np.uint8 and stacked.ndim == 3:
        return stacked[:, np.newaxis]
    if stacked.dtype == np.uint8 and stacked.ndim == 4:
        return np.moveaxis(stacked, -1, 1)
    return stacked
