"""Folds a round's updates into one vector, in canonical order and in memory that does not grow.

The result is a function of the accepted set alone: updates are added in ClientId order, however
they arrived.  So the folds of a simulation, of daemons and of a resumed run are equal bit by bit.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol, cast

from torch import Tensor

from fedplat.aggregators.beside import fold_beside
from fedplat.params import Layout, Vector, aligned
from fedplat.protocols import ColumnCodec, ColumnRule, FoldRule, Sparse, SparseRule
from fedplat.types import Digest

__all__ = ["Columns", "Encoded", "InMemory", "fold", "fold_beside"]

BLOCK = 1 << 18  # columns that are folded at a time: few calls, and a sum of 2 MB a thread
AT_ONCE = 32  # rows whose columns a thread holds at a time
LARGE = 1 << 23  # values in a fold, from which threads and a rule's faster path pay


class Columns(Protocol):
    """An update of which any columns can be had, at a cost that does not grow with the others."""

    def __len__(self) -> int: ...

    def columns(self, start: int, stop: int) -> Vector: ...


@dataclass(frozen=True, slots=True, eq=False)
class InMemory:
    """An update that is a vector already."""

    vector: Vector

    def __len__(self) -> int:
        return len(self.vector)

    def columns(self, start: int, stop: int) -> Vector:
        return self.vector[start:stop]


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """An update in a codec's frame (a mapped file, say), decoded column by column."""

    codec: ColumnCodec
    layout: Layout
    frame: bytes | memoryview

    def __len__(self) -> int:
        return self.layout.dim

    def columns(self, start: int, stop: int) -> Vector:
        return self.codec.decode_columns(self.frame, self.layout, start, stop)


def fold(
    rule: FoldRule[Any],
    digests: Sequence[Digest],
    weights: Sequence[float],
    read: Callable[[Digest], Vector | Sparse | Columns],
    *,
    threads: int | None = None,
) -> Vector:
    """Aggregates the updates that `digests` name, in the order given: that of their ClientIds.

    `read` gives every update as `Columns`, of which all are held at a time (they cost no memory of
    the process's own), or every update as a vector, sparse or not, of which one is held at a time.
    `threads` is the number of cores unless given.

    Guarantees: if `rule` is a `ColumnRule`, the same bits for any number of threads, any width of a
    block, and either kind of update; memory that does not grow with the number of updates.
    Raises: ValueError, if there is no update, their lengths or the number of weights differ, or
    `rule` refuses a weight.
    """
    if not digests or len(digests) != len(weights):
        raise ValueError(
            f"a fold needs updates, each with a weight: {len(digests)}, {len(weights)}"
        )
    first = read(digests[0])
    rows = chain(iter([first]), map(read, digests[1:]))  # iter: lets `first` go once it is past
    if isinstance(rule, ColumnRule) and not isinstance(first, Tensor | Sparse):
        return by_columns(rule, cast(list[Columns], list(rows)), weights, threads)
    dim = len(first)
    del first  # a vector is as large as the model: it goes when it has been added
    return _by_rows(rule, dim, rows, weights)


def by_columns(
    rule: ColumnRule[Any],
    rows: Sequence[Columns],
    weights: Sequence[float],
    threads: int | None = None,
) -> Vector:
    """Folds block by block, each over all rows: holds the result and a few blocks a thread."""
    dim = len(rows[0])
    if {len(row) for row in rows} != {dim}:
        raise ValueError(f"updates of one fold have one length, got {sorted(set(map(len, rows)))}")
    large = dim * len(rows) >= LARGE
    aggregate = aligned(dim)
    values = aggregate.numpy()

    def fold_block(start: int) -> None:
        stop = min(start + BLOCK, dim)
        state = rule.init(stop - start)
        for first in range(0, len(rows), AT_ONCE):
            some = slice(first, first + AT_ONCE)
            updates = [row.columns(start, stop) for row in rows[some]]
            if large:
                state = rule.add_many(state, updates, weights[some])
            else:
                state = added(rule, state, updates, weights[some])
        values[start:stop] = rule.finish(state).numpy()

    starts = range(0, max(dim, 1), BLOCK)
    workers = threads or os.cpu_count() or 1
    if not large or workers == 1:
        for start in starts:
            fold_block(start)
    else:
        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(fold_block, starts):
                pass  # raises what a block has raised
    return aggregate


def _by_rows(
    rule: FoldRule[Any],
    dim: int,
    rows: Iterator[Vector | Sparse | Columns],
    weights: Sequence[float],
) -> Vector:
    """Folds row by row: holds one row and the rule's state."""
    state = rule.init(dim)
    for weight in weights:
        state = row_added(rule, state, next(rows), weight)
    return rule.finish(state)


def row_added(
    rule: FoldRule[Any], state: Any, row: Vector | Sparse | Columns, weight: float
) -> Any:
    """The state after one more update; what is sparse stays so, if the rule can add it."""
    if not isinstance(row, Sparse):
        return rule.add(state, row if isinstance(row, Tensor) else row.columns(0, len(row)), weight)
    if isinstance(rule, SparseRule):
        return rule.add_sparse(state, row, weight)
    vector = aligned(len(row)).zero_()
    vector[row.positions] = row.values
    return rule.add(state, vector, weight)


def added(
    rule: FoldRule[Any], state: Any, updates: Sequence[Vector], weights: Sequence[float]
) -> Any:
    """The state after these updates, one after another."""
    for update, weight in zip(updates, weights, strict=True):
        state = rule.add(state, update, weight)
    return state
