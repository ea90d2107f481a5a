"""Folds a round's updates into one vector, in canonical order and in memory that does not grow.

The result is a function of the accepted set alone: updates are added in ClientId order, however
they arrived.  So the folds of a simulation, of daemons and of a resumed run are equal bit by bit.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from types import TracebackType
from typing import Any, Protocol

from torch import Tensor

from fedplat.aggregators.beside import fold_beside
from fedplat.params import Layout, Vector, aligned
from fedplat.protocols import ColumnCodec, ColumnRule, FoldRule
from fedplat.types import Digest

__all__ = ["Columns", "Encoded", "Folding", "InMemory", "fold", "fold_beside"]

BLOCK = 1 << 17  # columns that are folded at a time: their sum stays in a core's cache
LARGE = 1 << 23  # values in a fold, from which threads and a rule's faster path pay
GROUP_BYTES = 4 << 30  # rows that are mapped at a time; they are not the process's own memory
SMALLEST_GROUP = 4
WIDTH_BYTES = 4


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
    read: Callable[[Digest], Vector | Columns],
    *,
    threads: int | None = None,
) -> Vector:
    """Aggregates the updates that `digests` name, in the order given: that of their ClientIds.

    `read` gives an update as a vector, of which one at a time is held, or as `Columns`, which cost
    no memory.  `threads` is the number of cores unless given; it has no say in the result.

    Guarantees: the same bits for any number of threads, any width of a block and any grouping, if
    `rule` is a `ColumnRule`; holds the rule's state, its result and one vector, for any number of
    updates.
    Raises: ValueError, if there is no update, a length differs, or `rule` refuses a weight.
    """
    if not digests:
        raise ValueError("a fold needs at least one update")
    rows = map(read, digests)
    first = next(rows)
    with Folding(rule, len(first), len(digests), threads) as folding:
        for group, group_weights in _groups(chain([first], rows), weights):
            folding.add(group, group_weights)
        return folding.finish()


class Folding:
    """A fold in progress over vectors of `dim` values, `expected` of them.

    A `ColumnRule` is folded in blocks of columns, each with a state of its own, by several threads.
    A context manager: the threads end with it.
    """

    def __init__(
        self, rule: FoldRule[Any], dim: int, expected: int, threads: int | None = None
    ) -> None:
        self._rule, self._dim = rule, dim
        large = dim * expected >= LARGE
        self._faster = rule if large and isinstance(rule, ColumnRule) else None
        width = BLOCK if isinstance(rule, ColumnRule) else max(dim, 1)
        self._starts = range(0, max(dim, 1), width)
        self._states = [rule.init(min(width, dim - start)) for start in self._starts]
        self._stack = ExitStack()
        self._map: Callable[..., Iterator[Any]] = map
        if self._faster and threads != 1:
            workers = threads or os.cpu_count()
            self._map = self._stack.enter_context(ThreadPoolExecutor(workers)).map

    def __enter__(self) -> "Folding":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def add(self, rows: Sequence[Columns], weights: Sequence[float]) -> None:
        """Adds updates, the next ones in ClientId order."""
        for row in rows:
            if len(row) != self._dim:
                raise ValueError(f"updates of one fold have one length: {self._dim}, {len(row)}")

        def add_block(start: int, state: Any) -> Any:
            stop = min(start + self._starts.step, self._dim)
            columns = (row.columns(start, stop) for row in rows)
            if self._faster:
                return self._faster.add_many(state, list(columns), weights)
            for update, weight in zip(columns, weights, strict=True):
                state = self._rule.add(state, update, weight)
            return state

        self._states = list(self._map(add_block, self._starts, self._states))

    def finish(self) -> Vector:
        """The aggregate.  Each block's state is let go as soon as its part is made."""
        aggregate = aligned(self._dim)
        values = aggregate.numpy()

        def finish_block(index: int) -> None:
            start, state = self._starts[index], self._states[index]
            self._states[index] = None
            part = self._rule.finish(state)
            values[start : start + len(part)] = part.numpy()

        list(self._map(finish_block, range(len(self._starts))))
        return aggregate


def _groups(
    rows: Iterable[Vector | Columns], weights: Sequence[float]
) -> Iterator[tuple[list[Columns], list[float]]]:
    """Cuts rows and weights into groups: vectors one by one, columns as many as may be mapped."""
    group: list[Columns] = []
    group_weights: list[float] = []
    for row, weight in zip(rows, weights, strict=True):
        columns = InMemory(row) if isinstance(row, Tensor) else row
        group.append(columns)
        group_weights.append(weight)
        room = GROUP_BYTES // max(WIDTH_BYTES * len(columns), 1)
        if isinstance(row, Tensor) or len(group) >= max(room, SMALLEST_GROUP):
            yield group, group_weights
            group, group_weights = [], []
    if group:
        yield group, group_weights
