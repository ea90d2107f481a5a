"""Tables, from CSV or Parquet files: one row per sample."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv, parquet
from torch import Tensor

from fedplat.data.loaded import Loaded
from fedplat.data.parts import nearest
from fedplat.data.reading import Reading, Samples
from fedplat.errors import DataError
from fedplat.types import TaskKind


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns mean what: `label`, `group`, those to `drop`; the rest are features."""

    label: str
    group: str | None
    drop: tuple[str, ...]

    def samples(self, table: pa.Table, where: str) -> Samples:
        """Raises: DataError, if a column or a value is missing, or a feature is no number."""
        named = [self.label, *([] if self.group is None else [self.group]), *self.drop]
        for name in named:
            if name not in table.column_names:
                reason = (
                    f"there is no column {name!r}{nearest(name, table.column_names)}; the columns "
                    f"are {', '.join(table.column_names)}"
                )
                raise DataError(where=where, reason=reason)
        features = [name for name in table.column_names if name not in named]
        if not features:
            raise DataError(where=where, reason="no column is left for the inputs; drop fewer")
        inputs = np.empty((table.num_rows, len(features)), dtype=np.float32)
        with np.errstate(over="ignore"):  # too large for float32 becomes infinite, which is refused
            for position, name in enumerate(features):
                inputs[:, position] = _numbers(table, name, where)
        groups = None if self.group is None else _values(table, self.group, where)
        return Samples(where, inputs, _values(table, self.label, where), groups)


@dataclass(frozen=True, slots=True)
class Csv:
    """Reads a CSV file with a header line.

    `label` is the target's column: its distinct values are the classes, or numbers with
    `task = "regression"`.  `group` is the column of the natural owner.  The test set is a second
    file, `test_path`, or a fraction.  `standardize` brings every feature to mean 0 and deviation 1
    by the training samples of *all* clients (a constant column becomes 0).
    """

    path: str
    label: str
    group: str | None = None
    drop: tuple[str, ...] = ()
    task: TaskKind = "classification"
    classes: tuple[str, ...] = ()
    standardize: bool = False
    test_path: str | None = None
    test_fraction: float | None = None

    def __post_init__(self) -> None:
        _reading(self)

    def load(self, seed: int) -> Loaded:
        """Raises: DataError, if a file can not be read or a column does not fit."""
        return _load(self, seed, "CSV")


@dataclass(frozen=True, slots=True)
class Parquet:
    """Reads a Parquet file; the options are those of CSV."""

    path: str
    label: str
    group: str | None = None
    drop: tuple[str, ...] = ()
    task: TaskKind = "classification"
    classes: tuple[str, ...] = ()
    standardize: bool = False
    test_path: str | None = None
    test_fraction: float | None = None

    def __post_init__(self) -> None:
        _reading(self)

    def load(self, seed: int) -> Loaded:
        """Raises: DataError, if a file can not be read or a column does not fit."""
        return _load(self, seed, "Parquet")


_READERS = {"CSV": csv.read_csv, "Parquet": parquet.read_table}


def _reading(options: Csv | Parquet) -> Reading:
    return Reading(options.task, options.classes, False, None, options.test_fraction)


def _load(options: Csv | Parquet, seed: int, kind: str) -> Loaded:
    columns = Columns(options.label, options.group, options.drop)
    train = columns.samples(_read(options.path, kind), options.path)
    test = None
    if options.test_path is not None:
        table = _read(options.test_path, kind)
        test = columns.samples(table, options.test_path)
    datasets = _reading(options)(train, test, seed)
    if options.standardize:
        for dataset in reversed(datasets):
            _standardize(dataset.inputs, datasets[0].inputs)
    return Loaded(*datasets, source=f"{kind} file {options.path}")


def _read(path: str, kind: str) -> pa.Table:
    try:
        table = _READERS[kind](path)
        table.validate(full=True)
        names = table.column_names
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        reason = f"can not be read as {kind} ({error}); check the path and the file"
        raise DataError(where=path, reason=reason) from error
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(where=path, reason=f"column {twice[0]!r} stands twice; rename one")
    return table


def _numbers(table: pa.Table, name: str, where: str) -> NDArray[np.generic]:
    kind = table.schema.field(name).type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        reason = f"column {name!r} holds {kind}, no numbers; encode it, or name it in `drop`"
        raise DataError(where=where, reason=reason)
    return _values(table, name, where)


def _values(table: pa.Table, name: str, where: str) -> NDArray[np.generic]:
    column = table.column(name)
    if column.null_count:
        row = column.is_null().to_pylist().index(True)
        reason = f"column {name!r} has no value in row {row}; fill in or remove such rows"
        raise DataError(where=where, reason=reason)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        reason = f"column {name!r} holds {kind}, which is neither a number nor UTF-8 text"
        raise DataError(where=where, reason=f"{reason}; convert it, or name it in `drop`")
    values: NDArray[np.generic] = column.to_numpy()
    return values.astype(str) if values.dtype == object else values


def _standardize(inputs: Tensor, train: Tensor) -> None:
    mean = train.double().mean(dim=0)
    deviation = train.double().std(dim=0, correction=0)
    deviation[deviation == 0] = 1.0  # a constant column has no scale: it becomes 0
    inputs.copy_((inputs - mean) / deviation)
