"""NumPy's .npz archives."""

import zipfile
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedplat.data.loaded import Loaded
from fedplat.data.parts import nearest
from fedplat.data.reading import Reading, Samples
from fedplat.errors import DataError
from fedplat.types import TaskKind

# RuntimeError is what zipfile raises for encrypted members and for methods that it does not know.
_UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, slots=True)
class Npz:
    """Reads arrays out of an .npz file; the names default to those of Keras' archives.

    Inputs of bytes are images: scaled to [0, 1], and (samples, height, width) gains a channel.
    `channels_last` says that images are (samples, height, width, channels).  Without the test
    arrays, `test_fraction` is needed.  Labels are the classes themselves, or positions in
    `classes`.
    """

    path: str
    inputs: str = "x_train"
    targets: str = "y_train"
    test_inputs: str = "x_test"
    test_targets: str = "y_test"
    group: str | None = None
    task: TaskKind = "classification"
    classes: tuple[str, ...] = ()
    channels_last: bool = False
    normalize: tuple[float, float] | None = None
    test_fraction: float | None = None

    def __post_init__(self) -> None:
        self._reading()

    def load(self, seed: int) -> Loaded:
        """Raises: DataError, if the file is no .npz file, lacks an array, or one holds objects."""
        arrays = self._arrays()
        train = self._samples(arrays, self.inputs, self.targets, self.group)
        test = None
        if self.test_fraction is None or self.test_inputs in arrays:
            test = self._samples(arrays, self.test_inputs, self.test_targets, None)
        return Loaded(*self._reading()(train, test, seed), source=f"NumPy archive {self.path}")

    def _reading(self) -> Reading:
        return Reading(self.task, self.classes, True, self.normalize, self.test_fraction)

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        wanted = {self.inputs, self.targets, self.test_inputs, self.test_targets, self.group}
        try:
            with open(self.path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                if not isinstance(archive, np.lib.npyio.NpzFile):
                    raise ValueError("a single array, not an archive of arrays")
                present = {name: archive[name] for name in archive.files if name in wanted}
                self._check_names(archive.files)
                return present
        except _UNREADABLE as error:
            reason = f"can not be read as .npz ({error}); write it with numpy.savez"
            raise DataError(where=self.path, reason=reason) from error

    def _check_names(self, present: list[str]) -> None:
        needed = {"inputs": self.inputs, "targets": self.targets}
        if self.test_fraction is None:
            needed |= {"test_inputs": self.test_inputs, "test_targets": self.test_targets}
        if self.group is not None:
            needed["group"] = self.group
        for option, name in needed.items():
            if name not in present:
                reason = (
                    f"there is no array {name!r}{nearest(name, present)}; it holds "
                    f"{', '.join(present) or 'nothing'}: name it by `{option}`"
                )
                if option.startswith("test_"):
                    reason += ", or set `test_fraction`"
                raise DataError(where=self.path, reason=reason)

    def _samples(
        self, arrays: dict[str, NDArray[np.generic]], inputs: str, targets: str, group: str | None
    ) -> Samples:
        values = arrays[inputs]
        if values.ndim == 0 or values.dtype.kind not in "iufb":
            reason = (
                f"array {inputs!r} is {values.dtype} of shape {values.shape}; it must be numbers"
            )
            raise DataError(where=self.path, reason=reason)
        if self.channels_last and values.ndim == 4:
            values = np.moveaxis(values, -1, 1)
        if values.dtype == np.uint8 and values.ndim == 3:
            values = values[:, np.newaxis]
        groups = None if group is None else arrays[group]
        return Samples(f"{self.path} [{inputs}]", values, arrays[targets], groups)
