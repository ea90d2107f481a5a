"""Where data comes from: one dataclass of options each, with `load(seed) -> Loaded`.

A new source is one new file and one line of `BY_NAME`.
"""

from collections.abc import Mapping
from typing import Protocol

from fedplat.data.loaded import Loaded
from fedplat.data.source.digits import Digits
from fedplat.data.source.hub import Hub
from fedplat.data.source.idx import FashionMnist, Idx, Mnist
from fedplat.data.source.image_folder import ImageFolder
from fedplat.data.source.npz import Npz
from fedplat.data.source.site import Site
from fedplat.data.source.table import Csv, Parquet


class Source(Protocol):
    """Reads a data set from where its options say; `seed` draws the held-out test set."""

    def load(self, seed: int) -> Loaded:
        """Raises: DataError, if a file is missing, unreadable or does not hold what it should."""


BY_NAME: Mapping[str, type[Source]] = {
    "digits": Digits,
    "mnist": Mnist,
    "fashion-mnist": FashionMnist,
    "idx": Idx,
    "npz": Npz,
    "csv": Csv,
    "parquet": Parquet,
    "image_folder": ImageFolder,
    "hf": Hub,
    "site": Site,
}

__all__ = ["BY_NAME", "Source"]
