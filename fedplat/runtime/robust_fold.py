"""Aggregates a round's updates by a robust rule: two passes over them, block by block.

The first pass finds how the updates lie to one another, the second makes the aggregate.  Memory is
that of the aggregate and a few blocks a thread, whatever the number of updates.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fedplat.aggregators.robust import (
    BLOCK,
    Outcome,
    Robust,
    drawn_columns,
    settle,
    survey,
)
from fedplat.params import Vector, aligned
from fedplat.runtime.folding import Columns

AT_ONCE = 4  # blocks a thread whose results wait to be added up

T = TypeVar("T")
Span = tuple[int, int]


def fold_robustly(
    chain: Robust,
    rows: Sequence[Columns],
    *,
    seed: int,
    reference: Columns | None = None,
    layers: Sequence[int] = (),
    threads: int | None = None,
) -> Outcome:
    """Aggregates the updates in the order given: that of their ClientIds.

    `layers` are the sizes of the model's tensors in their order; none: the updates are one.
    `threads` is the number of cores unless given.

    Guarantees: the bits of `robust.aggregate`, for any number of threads; no update is modified.
    Raises: ValueError, if there is no update, their lengths differ or the layers do not fit them;
    ToleranceError, if too few can be used for what the chain promises.
    """
    if not rows:
        raise ValueError("a fold needs updates")
    dim = len(rows[0])
    compared = reference if chain.needs_reference else None
    every = [*rows, compared] if compared is not None else list(rows)
    if {len(row) for row in every} != {dim}:
        raise ValueError(f"updates of one fold have one length, got {sorted(set(map(len, every)))}")
    spans = [(start, min(start + BLOCK, dim)) for start in range(0, max(dim, 1), BLOCK)]
    workers = min(threads or os.cpu_count() or 1, len(spans))
    sample = _sampled(rows, drawn_columns(chain, dim, seed))
    cut = chain.layers(sample, layers, dim)

    def surveyed(span: Span) -> NDArray[np.float64]:
        with _Held(every, span) as held:
            return survey(chain, held.addresses, span[0], span[1] - span[0], cut)

    total = sum(_mapped(surveyed, spans, workers))
    settled = settle(chain, np.asarray(total), len(rows), seed, sample, cut)
    used = [every[place] for place in settled.used.tolist()]
    value = aligned(dim).numpy()

    def made(span: Span) -> NDArray[np.int64]:
        counts = settled.counts()
        with _Held(used, span) as held:
            settled.plan.block(held.addresses, span[0], value[span[0] : span[1]], counts)
        return counts

    counts = sum(_mapped(made, spans, workers))
    return settled.outcome(value, np.asarray(counts))


class _Held:
    """Some columns of all rows, held as long as compiled loops read them by their addresses."""

    def __init__(self, rows: Sequence[Columns], span: Span) -> None:
        self._rows, self._span = rows, span

    def __enter__(self) -> "_Held":
        self._columns: list[Vector] = [row.columns(*self._span).contiguous() for row in self._rows]
        self.addresses = np.array([one.data_ptr() for one in self._columns], dtype=np.int64)
        return self

    def __exit__(self, *_: object) -> None:
        self._columns = []


def _sampled(rows: Sequence[Columns], columns: NDArray[np.int64]) -> NDArray[np.float32]:
    """The values of all rows in these columns.  Shapes: (rows, columns)."""
    sample = np.empty((len(rows), len(columns)), dtype=np.float32)
    order = np.argsort(columns, kind="stable")
    ascending = columns[order]
    for start in sorted({int(one) // BLOCK * BLOCK for one in ascending}):
        low, high = np.searchsorted(ascending, [start, start + BLOCK])
        for i, row in enumerate(rows):
            block = row.columns(start, min(start + BLOCK, len(row))).numpy()
            sample[i, order[low:high]] = block[ascending[low:high] - start]
    return sample


def _mapped(work: Callable[[Span], T], spans: Sequence[Span], workers: int) -> Iterator[T]:
    """What `work` gives for all spans, in their order."""
    if workers == 1:
        yield from map(work, spans)
        return
    with ThreadPoolExecutor(workers) as pool:
        for first in range(0, len(spans), AT_ONCE * workers):  # so that few results wait
            yield from pool.map(work, spans[first : first + AT_ONCE * workers])
