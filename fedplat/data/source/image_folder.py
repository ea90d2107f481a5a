"""Folders of images: one folder per class."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fedplat import check
from fedplat.data.loaded import Loaded
from fedplat.data.reading import Reading, Samples
from fedplat.errors import DataError

_EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """Reads images; each folder in `path` is a class, or `path` holds `train` and `test` of such.

    `size` (height, width) resizes every image (bilinear); without it all must have one size.
    Files whose name starts with a dot are left out; every other one must be an image.

    Shapes: inputs (samples, 3, height, width), or 1 channel with `grayscale`, in [0, 1].
    """

    path: str
    size: tuple[int, int] | None = None
    grayscale: bool = False
    normalize: tuple[float, float] | None = None
    test_fraction: float | None = None

    def __post_init__(self) -> None:
        if self.size is not None:
            check.at_least(1, height=self.size[0], width=self.size[1])
        Reading(normalize=self.normalize, test_fraction=self.test_fraction)

    def load(self, seed: int) -> Loaded:
        """Raises: DataError, if a file is no image, sizes differ, or a class has no image."""
        folder = Path(self.path)
        if not folder.is_dir():
            reason = "is no folder; it must hold one folder of images per class"
            raise DataError(where=self.path, reason=reason)
        split = {path.name for path in _folders(folder)} == {"train", "test"}
        root = folder / "train" if split else folder
        classes = tuple(path.name for path in _folders(root))
        if not classes:
            reason = "holds no folder; it must hold one folder of images per class"
            raise DataError(where=str(root), reason=reason)
        train = self._samples(root, classes)
        test = self._samples(folder / "test", classes) if split else None
        reading = Reading("classification", classes, True, self.normalize, self.test_fraction)
        return Loaded(*reading(train, test, seed), source=f"images in {self.path}")

    def _samples(self, root: Path, classes: Sequence[str]) -> Samples:
        images, labels = [], []
        for folder in _folders(root):
            if folder.name not in classes:
                reason = f"is no class of the training images ({', '.join(classes)}); remove it"
                raise DataError(where=str(folder), reason=reason)
            files = _visible(folder)
            if not files:
                raise DataError(where=str(folder), reason="holds no image; add some or remove it")
            for path in files:
                images.append(self._image(path))
                labels.append(classes.index(folder.name))
                if images[-1].shape != images[0].shape:
                    raise _unequal(path, images[-1], images[0])
        return Samples(str(root), np.stack(images), np.array(labels))

    def _image(self, path: Path) -> NDArray[np.uint8]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                return self._pixels(path)
        except _UNREADABLE as error:
            reason = f"can not be read as an image ({error}); repair or remove the file"
            raise DataError(where=str(path), reason=reason) from error

    def _pixels(self, path: Path) -> NDArray[np.uint8]:
        with Image.open(path) as image:
            image.load()
            if image.mode not in _EIGHT_BIT:
                reason = f"has pixels of kind {image.mode}, not of 8 bits; convert it"
                raise DataError(where=str(path), reason=reason)
            plain = image.convert("L" if self.grayscale else "RGB")
        if self.size is not None:
            height, width = self.size
            plain = plain.resize((width, height), Image.Resampling.BILINEAR)
        pixels = np.asarray(plain)
        return pixels[np.newaxis] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)


def _folders(path: Path) -> list[Path]:
    return [one for one in _visible(path) if one.is_dir()]


def _visible(path: Path) -> list[Path]:
    found = [one for one in path.iterdir() if not one.name.startswith(".")]
    return sorted(found, key=lambda one: one.name.encode())


def _unequal(path: Path, image: NDArray[np.uint8], first: NDArray[np.uint8]) -> DataError:
    reason = (
        f"is {image.shape[1]}x{image.shape[2]} pixels, the first image is "
        f"{first.shape[1]}x{first.shape[2]}; set `size = [height, width]` to resize all"
    )
    return DataError(where=str(path), reason=reason)
