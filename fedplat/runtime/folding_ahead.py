"""Folds updates while others are still trained: the beginning of a round's canonical order.

What is folded ahead is a hint.  The round's accepted set decides; if it begins with what was folded
already, the rest is added, else the fold starts again.  Either way the bits are those of `fold`.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor

from fedplat.params import Vector, aligned
from fedplat.protocols import ColumnRule
from fedplat.runtime.folding import AT_ONCE, BLOCK, LARGE, Columns, InMemory, added
from fedplat.types import ClientId, Digest

GROUP = 16  # updates that are folded at a time: the sum is read and written once for all of them
Row = tuple[ClientId, Digest, float]


class FoldingAhead:
    """A fold in progress over the settled beginning of a round.

    Memory: the rule's state (the mean's: twice the model), and the result while it is finished.
    """

    def __init__(self, rule: ColumnRule[Any], dim: int) -> None:
        self._rule, self._dim = rule, dim
        self._starts = range(0, max(dim, 1), BLOCK)
        self._states = [rule.init(min(BLOCK, dim - start)) for start in self._starts]
        self._waiting: list[Columns] = []
        self.rows: list[Row] = []
        self._folded = 0

    def add(self, rows: Sequence[Row], updates: Sequence[Vector | Columns]) -> None:
        """Takes the next updates in ClientId order; folds them once they make a group.

        Raises: ValueError, if an update has another length.
        """
        columns = [InMemory(one) if isinstance(one, Tensor) else one for one in updates]
        for update in columns:
            if len(update) != self._dim:
                raise ValueError(f"updates of one fold have one length: {self._dim}, {len(update)}")
        self.rows.extend(rows)
        self._waiting.extend(columns)
        if len(self._waiting) >= GROUP:
            self._fold()

    def finish(self) -> Vector:
        """The aggregate.

        Each block's state is let go as soon as its part is made, the last first: an allocator can
        give memory back to the system from its end only.
        """
        self._fold()
        aggregate = aligned(self._dim)
        for start in reversed(self._starts):
            part = self._rule.finish(self._states.pop())
            aggregate[start : start + len(part)] = part
        return aggregate

    def _fold(self) -> None:
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
