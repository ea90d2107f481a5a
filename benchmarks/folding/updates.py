"""The same updates for every arm: rows of normal float32 values and sample counts as weights.

Imports NumPy alone, because it runs inside a peer's environment too.
"""

from pathlib import Path

import numpy as np

SEED = 20260


def row(index: int, dim: int, out: np.ndarray | None = None) -> np.ndarray:
    """Client `index`'s update: (dim,) float32; written into `out`, if that is given."""
    generator = np.random.Generator(np.random.PCG64([SEED, index]))  # noqa: TID251
    return generator.standard_normal(dim, dtype=np.float32, out=out)


def weights(clients: int) -> list[int]:
    """Sample counts between 100 and 999."""
    generator = np.random.Generator(np.random.PCG64(SEED))  # noqa: TID251
    return [int(count) for count in generator.integers(100, 1000, clients)]


def arrival(clients: int) -> list[int]:
    """The order in which the updates come."""
    generator = np.random.Generator(np.random.PCG64(SEED + 1))  # noqa: TID251
    return [int(index) for index in generator.permutation(clients)]


def save(folder: Path, name: str, mean: np.ndarray) -> None:
    np.save(folder / f"{name}.npy", mean)
