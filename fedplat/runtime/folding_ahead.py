"""Folds updates while others are still trained: the beginning of a round's canonical order.

What is folded ahead is a hint.  The round's accepted set decides; if it begins with what was folded
already, the rest is added, else the fold starts again.  Either way the bits are those of `fold`.
"""

import mmap
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from fedplat.params import Vector, aligned
from fedplat.protocols import ColumnRule, FoldRule, Sparse
from fedplat.runtime.folding import (
    AT_ONCE,
    BLOCK,
    LARGE,
    Columns,
    InMemory,
    added,
    by_columns,
    row_added,
)
from fedplat.types import ClientId, Digest

GROUP = 16  # updates that are folded at a time: the sum is read and written once for all of them
Row = tuple[ClientId, Digest, float]


class RowsAhead:
    """A fold in progress, update by update: of codecs that decode an update as a whole.

    Memory: the rule's state; an update is let go once it is added.
    """

    def __init__(self, rule: FoldRule[Any], dim: int) -> None:
        self._rule, self._state = rule, rule.init(dim)
        self.rows: list[Row] = []

    def add(self, rows: Sequence[Row], updates: Iterable[Vector | Sparse | Columns]) -> None:
        """Takes the next updates in ClientId order."""
        for row, update in zip(rows, updates, strict=True):
            self._state = row_added(self._rule, self._state, update, row[2])
            self.rows.append(row)

    def finish(self) -> Vector:
        """The aggregate."""
        return self._rule.finish(self._state)


class FoldingAhead:
    """A fold in progress over the settled beginning of a round.

    Memory: once there is more than a group, the rule's state (the mean's: twice the model); the
    result takes its place block by block.  Of fewer updates, the result alone.
    """

    def __init__(self, rule: ColumnRule[Any], dim: int) -> None:
        self._rule, self._dim = rule, dim
        self._starts = range(0, max(dim, 1), BLOCK)
        self._widths = [min(BLOCK, dim - start) for start in self._starts]
        self._states: list[Any] = []
        self._waiting: list[Columns] = []
        self.rows: list[Row] = []
        self._folded = 0

    def add(self, rows: Sequence[Row], updates: Iterable[Vector | Columns]) -> None:
        """Takes the next updates in ClientId order; folds them once they are more than a group.

        Raises: ValueError, if an update has another length.
        """
        columns = [InMemory(one) if isinstance(one, Tensor) else one for one in updates]
        for update in columns:
            if len(update) != self._dim:
                raise ValueError(f"updates of one fold have one length: {self._dim}, {len(update)}")
        self.rows.extend(rows)
        self._waiting.extend(columns)
        if len(self._waiting) > GROUP:  # a group may be the whole round
            self._fold()

    def finish(self) -> Vector:
        """The aggregate.

        Each block's state is let go as soon as its part is made.
        """
        if self._waiting and not self._folded:  # all at once: no sum of the model's size
            return by_columns(self._rule, self._waiting, [weight for _, _, weight in self.rows])
        self._fold()
        aggregate = aligned(self._dim)
        for start in reversed(self._starts):
            part = self._rule.finish(self._states.pop())
            aggregate[start : start + len(part)] = part
        return aggregate

    def _begin(self) -> None:
        begun = {width: self._rule.init(width) for width in set(self._widths)}
        self._states = [_mapped(begun[width]) for width in self._widths]

    def _fold(self) -> None:
        if not self._states:
            self._begin()
        updates, self._waiting = self._waiting, []
        weights = [weight for _, _, weight in self.rows[self._folded :]]
        self._folded = len(self.rows)
        large = self._dim * len(updates) >= LARGE
        for index, start in enumerate(self._starts):
            stop = min(start + BLOCK, self._dim)
            for first in range(0, len(updates), AT_ONCE):
                some = slice(first, first + AT_ONCE)
                columns = [one.columns(start, stop) for one in updates[some]]
                add = self._rule.add_many if large else partial(added, self._rule)
                self._states[index] = add(self._states[index], columns, weights[some])


def _mapped(state: Any) -> Any:
    """A copy of a block's first state, its tensors in mappings of their own.

    They live long, among much that comes and goes: an allocator may keep what they took for ever, a
    mapping is given back to the system with its last tensor.
    """
    if not is_dataclass(state) or isinstance(state, type):
        return deepcopy(state)
    values = {one.name: getattr(state, one.name) for one in fields(state)}
    return replace(state, **{name: _copied(value) for name, value in values.items()})


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor) and value.nbytes:
        return _in_a_mapping(value)
    return deepcopy(value)


def _in_a_mapping(tensor: Tensor) -> Tensor:
    mapping = mmap.mmap(-1, tensor.nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        mapping.madvise(mmap.MADV_HUGEPAGE)
    copy = torch.frombuffer(mapping, dtype=tensor.dtype).view(tensor.shape)
    return copy.copy_(tensor)
