"""IDX files, the format of MNIST: four files in a folder, plain or gzip."""

import gzip
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedplat.data.loaded import Loaded
from fedplat.data.reading import Reading, Samples
from fedplat.errors import DataError

_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_TYPES: Mapping[int, np.dtype[np.generic]] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_MNIST_FROM = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_FASHION_FROM = "https://github.com/zalandoresearch/fashion-mnist"
_GARMENTS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@dataclass(frozen=True, slots=True)
class Idx:
    """Reads a folder of IDX files with MNIST's names, each plain or with `.gz`.

    Images of bytes are scaled to [0, 1] and gain a channel; other types are taken as they are.
    A folder without `t10k-…` files needs `test_fraction`.

    Shapes: inputs (samples, 1, height, width), or (samples, *dims) for files of other ranks.
    """

    path: str
    classes: tuple[str, ...] = ()
    normalize: tuple[float, float] | None = None
    test_fraction: float | None = None

    def __post_init__(self) -> None:
        self._reading()

    def load(self, seed: int) -> Loaded:
        """Raises: DataError, if a file is missing, truncated or no IDX file."""
        folder = Path(self.path)
        train, test = _samples(folder, "train"), None
        if self.test_fraction is None or any(_find(folder, name) for name in _FILES["test"]):
            test = _samples(folder, "test")
        return Loaded(*self._reading()(train, test, seed), source=f"IDX files in {self.path}")

    def _reading(self) -> Reading:
        return Reading("classification", self.classes, True, self.normalize, self.test_fraction)


@dataclass(frozen=True, slots=True)
class Mnist:
    """MNIST: 60,000 and 10,000 handwritten digits of 28×28 pixels, from its four IDX files.

    Shapes: inputs (samples, 1, 28, 28) in [0, 1], before `normalize`.
    Source: LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition".
    """

    path: str
    normalize: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        self._reading()

    def load(self, seed: int) -> Loaded:
        """Raises: DataError, if a file is missing (says where to get it), truncated or not IDX."""
        folder = Path(self.path)
        train, test = (_samples(folder, split, _MNIST_FROM) for split in ("train", "test"))
        return Loaded(*self._reading()(train, test, seed), source="MNIST", licence="CC BY-SA 3.0")

    def _reading(self) -> Reading:
        return Reading("classification", tuple("0123456789"), True, self.normalize)


@dataclass(frozen=True, slots=True)
class FashionMnist:
    """Fashion-MNIST: garments in MNIST's format, from its four IDX files.

    Shapes: inputs (samples, 1, 28, 28) in [0, 1], before `normalize`.
    Source: Xiao et al. 2017, "Fashion-MNIST".  arXiv:1708.07747
    """

    path: str
    normalize: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        self._reading()

    def load(self, seed: int) -> Loaded:
        """Raises: DataError, if a file is missing (says where to get it), truncated or not IDX."""
        folder = Path(self.path)
        train, test = (_samples(folder, split, _FASHION_FROM) for split in ("train", "test"))
        return Loaded(*self._reading()(train, test, seed), source="Fashion-MNIST", licence="MIT")

    def _reading(self) -> Reading:
        return Reading("classification", _GARMENTS, True, self.normalize)


def read_idx(path: Path) -> NDArray[np.generic]:
    """Reads one IDX file, plain or gzip, as an array of its own type.

    The header's sizes are compared with what the file holds before anything is made of them.

    Raises: DataError, if the file can not be read, is no IDX file, or holds fewer or more values
    than its header says.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as file:
            dtype, shape = _header(file, path)
            payload = file.read()  # the header's sizes reserve nothing: they may be anything
    except (OSError, EOFError, zlib.error) as error:
        reason = f"can not be read ({error}); fetch the file again"
        raise DataError(where=str(path), reason=reason) from error
    size = math.prod(shape) * dtype.itemsize
    if len(payload) != size:
        reason = (
            f"the header promises {size} bytes for {shape}, the file holds {len(payload)}; "
            "fetch it again"
        )
        raise DataError(where=str(path), reason=reason)
    return np.frombuffer(payload, dtype).reshape(shape)


def _header(file: BufferedIOBase, path: Path) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or magic[3] == 0:
        reason = f"starts with {magic.hex() or 'nothing'}, so it is no IDX file; name one that is"
        raise DataError(where=str(path), reason=reason)
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(where=str(path), reason="ends inside its header; fetch the file again")
    return _TYPES[magic[2]], tuple(np.frombuffer(sizes, ">u4").tolist())


def _samples(folder: Path, split: str, source: str = "") -> Samples:
    found = [_find(folder, name) for name in _FILES[split]]
    if None in found:
        raise _missing(folder, _FILES[split][found.index(None)], source)
    images, labels = (read_idx(path) for path in found if path is not None)
    if images.ndim == 3:
        images = images[:, np.newaxis]
    return Samples(str(found[1]), images, labels)


def _find(folder: Path, name: str) -> Path | None:
    candidates = [folder / f"{name}.gz", folder / name]
    return next((path for path in candidates if path.is_file()), None)


def _missing(folder: Path, name: str, source: str) -> DataError:
    wanted = ", ".join(name for names in _FILES.values() for name in names)
    fetch = (
        f"get them from {source}" if source else "without the two t10k files set `test_fraction`"
    )
    reason = f"there is no {name} (or {name}.gz); the four files wanted are {wanted}; {fetch}"
    return DataError(where=str(folder), reason=reason)
