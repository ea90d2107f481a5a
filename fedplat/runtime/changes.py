"""What is new in a broadcast: which of its bytes a client that holds an earlier one lacks.

Broadcasts follow one another, and often only a part of a model changes: a frozen backbone, a layer
that was not trained.  Each new broadcast is compared with the one before, piece by piece, while
both are at hand; kept is no byte of either, only since when each piece has the bytes it has.
"""

from collections.abc import Iterable
from itertools import pairwise
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedplat.types import Digest

PIECE_BYTES = 1 << 16  # a tensor of more is compared in pieces of this size
GAP_BYTES = 16  # what naming a span costs: equal bytes between two that are fewer travel with them
KEPT = 4  # broadcasts whose pieces are known: the last one and those that may still be fetched
REMEMBERED = 1024  # earlier broadcasts that a client may hold

Buffer = bytes | memoryview
Span = tuple[int, int]


class Changes:
    """Compares broadcasts whose tensors take `sizes` bytes.  Safe to use from several threads.

    Memory: 8 bytes a piece, for the last few broadcasts.
    """

    def __init__(self, sizes: Iterable[int]) -> None:
        bounds = [0]
        for size in sizes:
            start, stop = bounds[-1], bounds[-1] + size
            bounds.extend(range(start + PIECE_BYTES, stop, PIECE_BYTES))
            if size:
                bounds.append(stop)
        self._bounds = bounds
        self._numbers: dict[Digest, int] = {}  # the last broadcasts, the newest at the end
        self._since: dict[Digest, NDArray[np.int64]] = {}  # of each piece, the number it came with
        self._count = 0
        self._lock = Lock()

    def follow(self, digest: Digest, payload: Buffer, before: Digest, earlier: Buffer) -> None:
        """Takes the broadcast `digest`, which follows on `before`.

        Edge cases: if `before` is not what was taken last, or `sizes` do not fit, all of it is new.
        """
        with self._lock:
            last = next(reversed(self._numbers), None)
            since = self._since.get(before)
        if digest == before == last:
            return
        if since is None or before != last or not len(payload) == len(earlier) == self._bounds[-1]:
            self.begin(digest)
            return
        new, old = np.frombuffer(payload, np.uint8), np.frombuffer(earlier, np.uint8)
        changed = [not np.array_equal(new[a:b], old[a:b]) for a, b in pairwise(self._bounds)]
        self._note(digest, np.where(changed, self._count, since))

    def begin(self, digest: Digest) -> None:
        """Takes a broadcast that follows on none: to whoever holds another, all of it is new."""
        self._note(digest, np.full(len(self._bounds) - 1, self._count, dtype=np.int64))

    def between(self, known: Digest, digest: Digest, offset: int, size_bytes: int) -> list[Span]:
        """The spans of `digest` behind `offset` that differ from `known`, ascending.

        Everything, if one of the two is not known (any more).
        """
        with self._lock:
            number, since = self._numbers.get(known), self._since.get(digest)
        if number is None or since is None or self._bounds[-1] != size_bytes:
            return [(offset, size_bytes)] if offset < size_bytes else []
        spans: list[Span] = []
        for index in np.flatnonzero(since > number).tolist():
            start, stop = max(offset, self._bounds[index]), self._bounds[index + 1]
            if start >= stop:
                continue
            if spans and start - spans[-1][1] < GAP_BYTES:
                spans[-1] = spans[-1][0], stop
            else:
                spans.append((start, stop))
        return spans

    def _note(self, digest: Digest, since: NDArray[np.int64]) -> None:
        with self._lock:
            self._numbers.pop(digest, None)  # it is the newest again
            self._since.pop(digest, None)
            self._numbers[digest], self._since[digest] = self._count, since
            self._count += 1
            _forget(self._numbers, REMEMBERED)
            _forget(self._since, KEPT)


def length(spans: Iterable[Span]) -> int:
    """The bytes of spans."""
    return sum(stop - start for start, stop in spans)


def _forget(table: dict[Digest, Any], most: int) -> None:
    """Drops the oldest entries beyond `most`."""
    while len(table) > most:
        del table[next(iter(table))]
