"""What a user's functions may give back, checked: names, shapes, dtypes, finite numbers."""

from collections.abc import Mapping
from fractions import Fraction
from math import isfinite
from typing import Any

import numpy as np

from fedplat.errors import TrainingError
from fedplat.learning.divergence import UNKNOWN
from fedplat.params import DTYPE_NAMES, DTYPES, Layout
from fedplat.types import Mean, Metrics

COUNTS = ("num_examples", "num_steps")
Array = np.ndarray[Any, Any]


def failed(stage: str, reason: str) -> TrainingError:
    """The error of a user's function; whoever knows fills in the round and the client."""
    return TrainingError(round_id=UNKNOWN, client=UNKNOWN, stage=stage, reason=reason)


def arrays(value: Any, stage: str, where: str) -> dict[str, Array]:
    """`value` as named arrays of dtypes that can travel, contiguous.

    Raises: TrainingError, if it is not a non-empty dict of finite NumPy arrays by str.
    """
    if not isinstance(value, Mapping) or not value:
        raise failed(stage, f"{where} must give a dict of NumPy arrays, got {_what(value)}")
    for name, array in value.items():
        if not isinstance(name, str) or not isinstance(array, np.ndarray | np.generic):
            raise failed(stage, f"{where} gave {name!r}: {_what(array)}, not a NumPy array by name")
        if array.dtype.name not in DTYPES:
            known = ", ".join(DTYPES)
            raise failed(stage, f"array {name!r} is {array.dtype}; there are {known}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise failed(stage, f"array {name!r} is not finite")
    return {name: _native(array) for name, array in value.items()}


def fitted(value: Any, layout: Layout, where: str) -> tuple[dict[str, Array], Mapping[str, Any]]:
    """Takes apart what `fit` gave: arrays, or (arrays, numbers).

    Raises: TrainingError, if the arrays are not those of `layout`, or are not finite.
    """
    info: Any = {}
    if isinstance(value, tuple):
        if len(value) != 2:
            raise failed(
                "fit", f"{where} must give arrays or (arrays, numbers), got {_what(value)}"
            )
        value, info = value
    given = arrays(value, "fit", where)
    wanted = {spec.name: spec for spec in layout.specs}
    if given.keys() != wanted.keys():
        missing, extra = sorted(wanted.keys() - given.keys()), sorted(given.keys() - wanted.keys())
        raise failed("fit", f"the arrays are not initial's: missing {missing}, unknown {extra}")
    for name, array in given.items():
        spec = wanted[name]
        dtype = DTYPE_NAMES[spec.dtype]
        if array.shape != spec.shape or array.dtype.name != dtype:
            raise failed(
                "fit",
                f"array {name!r} is {array.dtype} {array.shape}, initial gave {dtype} {spec.shape}",
            )
    return given, info


def counted(info: Any, samples: int, stage: str, where: str) -> Metrics:
    """The metrics of {"num_examples": n, metric: mean, …}, each counted n times (or `samples`).

    Raises: TrainingError, if a number is not finite or n is no count; `evaluate` must have "loss".
    """
    if not isinstance(info, Mapping):
        raise failed(stage, f"{where} must give a dict of numbers, got {_what(info)}")
    examples = _count(info, "num_examples", samples, stage)
    metrics = {}
    for name, value in info.items():
        if name in COUNTS:
            continue
        if not isinstance(value, int | float | np.number) or not isfinite(value):
            raise failed(stage, f"metric {name!r} is {_what(value)}, not a finite number")
        metrics[str(name)] = Mean(Fraction(float(value)) * examples, examples)
    if stage == "evaluate" and "loss" not in metrics:
        raise failed(stage, f'{where} must give {{"loss": …}}, got {sorted(map(str, info))}')
    return metrics


def steps(info: Mapping[str, Any], default: int) -> int:
    """The number of local steps that `fit` says it made."""
    return _count(info, "num_steps", default, "fit")


def _count(info: Mapping[str, Any], name: str, default: int, stage: str) -> int:
    value = info.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise failed(stage, f"{name!r} is {_what(value)}, not a count")
    return int(value)


def _native(array: Any) -> Array:
    native = np.asarray(array)
    return np.array(native, dtype=native.dtype.newbyteorder("="), order="C", copy=True)


def _what(value: Any) -> str:
    if isinstance(value, int | float | np.number | str):
        return repr(value)
    return type(value).__name__
