"""Handwritten digits that come with scikit-learn: data without a download."""

import csv
import gzip
import importlib.util
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedplat.data.loaded import Loaded
from fedplat.data.reading import Reading, Samples
from fedplat.errors import DataError

_SIDE, _LARGEST = 8, 16


@dataclass(frozen=True, slots=True)
class Digits:
    """1,797 scans of handwritten digits of 8×8 pixels, in [0, 1]; a test set is held out by seed.

    Shapes: inputs (samples, 1, 8, 8).
    Source: Alpaydin and Kaynak 1998, "Optical Recognition of Handwritten Digits" (its test set), as
    packed into scikit-learn.  The packed file is read directly, because `import sklearn.datasets`
    takes a hundred times as long.
    """

    test_fraction: float = 0.2
    normalize: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        self._reading()

    def load(self, seed: int) -> Loaded:
        """Raises: DataError, if scikit-learn or its packed file is missing or damaged."""
        where, rows = _packed_rows()
        images = rows[:, :-1].reshape(-1, 1, _SIDE, _SIDE) / np.float32(_LARGEST)
        samples = Samples(where, images, rows[:, -1].astype(np.int64))
        train, test = self._reading()(samples, None, seed)
        source = "handwritten digits, 8x8 (UCI Optical Recognition of Handwritten Digits)"
        return Loaded(train, test, source, licence="CC BY 4.0")

    def _reading(self) -> Reading:
        classes = tuple("0123456789")
        return Reading("classification", classes, True, self.normalize, self.test_fraction)


def _packed_rows() -> tuple[str, NDArray[np.float32]]:
    spec = importlib.util.find_spec("sklearn")  # finds the package without importing it
    if spec is None or spec.origin is None:
        reason = "scikit-learn is not installed; it carries these digits: pip install scikit-learn"
        raise DataError(where="data.name", reason=reason)
    path = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
    try:
        with gzip.open(path, "rt", encoding="ascii", newline="") as file:
            rows = np.array([[float(x) for x in row] for row in csv.reader(file)], np.float32)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        reason = f"can not read the digits ({error}); install scikit-learn again"
        raise DataError(where=str(path), reason=reason) from error
    return str(path), rows
