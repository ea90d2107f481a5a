"""Updates that no codec can decode column by column: decoded once, and kept for several passes."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np
import torch
from numpy.typing import NDArray

from fedplat.params import Vector
from fedplat.protocols import Sparse
from fedplat.runtime.folding import Columns, Encoded, InMemory

IN_MEMORY = 1 << 28  # bytes of decoded updates above which they lie in a file


@contextmanager
def as_columns(
    rows: Iterable[Vector | Sparse | Encoded], count: int, dim: int, in_memory: int = IN_MEMORY
) -> Iterator[list[Columns]]:
    """`count` updates, all of one kind, as columns; what had to be decoded is let go at the end.

    Memory: nothing for updates that are columns already; of others at most `in_memory` bytes, or
    one update and those pages of a nameless file that the system has room for.
    """
    with tempfile.TemporaryFile() as file:
        room: NDArray[np.float32] | None = None
        found: list[Columns] = []
        for row in rows:
            if isinstance(row, Encoded):
                found.append(row)
                continue
            if room is None:
                large = 4 * count * dim > in_memory
                room = _on_disk(file, count, dim) if large else _in_memory(count, dim)
            _write(row, room[len(found)])
            found.append(InMemory(torch.from_numpy(room[len(found)])))
        yield found


def _in_memory(count: int, dim: int) -> NDArray[np.float32]:
    return np.zeros((count, dim), dtype=np.float32)


def _on_disk(file: IO[bytes], count: int, dim: int) -> NDArray[np.float32]:
    return np.memmap(file, np.float32, shape=(count, dim))


def _write(row: Vector | Sparse, room: NDArray[np.float32]) -> None:
    """Into zeros."""
    if isinstance(row, Sparse):
        room[row.positions.numpy()] = row.values.numpy()
    else:
        room[:] = row.numpy()
