"""A rule as liars foresee it: what the aggregate would be, were this or that sent."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fedplat import check, rng
from fedplat.aggregators.geometry import Matrix
from fedplat.aggregators.plan import Rows
from fedplat.aggregators.robust import Robust, Settled, aggregate, drawn_columns, settle
from fedplat.errors import ToleranceError


@dataclass(frozen=True, slots=True, eq=False)
class Foreseen:
    """The aggregate of any rows by a chain, and a fast search for lies against it.

    The search makes no row.  All rows are sums of the honest ones, a start and a direction, so
    their geometry follows from these vectors' inner products: a trial costs O(n³), whatever the
    dimension.  Where the chain ends in a rule that looks at every column, it is tried on `columns`
    of them, drawn by the seed, and the distance found is stretched to all.  A rule that looks at
    layers is tried on whole rows.  Noise that a rule adds is not foreseen.

    `chain` None is the mean.  A round that the chain would abandon has the aggregate 0.  `layers`
    are the sizes of the model's tensors.
    Shapes: `reference` (d,).
    """

    chain: Robust | None
    seed: int = 0
    reference: Rows | None = None
    layers: Sequence[int] = ()
    columns: int = 4096

    def __post_init__(self) -> None:
        check.whole(1, columns=self.columns)

    def __call__(self, rows: Rows) -> Rows:
        """Shapes: (n, d) → (d,)."""
        if self.chain is None:
            mean: Rows = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
            return mean
        try:
            return aggregate(
                self.chain, rows, seed=self.seed, reference=self.reference, layers=self.layers
            ).value
        except ToleranceError:
            return np.zeros(rows.shape[1], dtype=np.float32)

    def along(
        self, honest: Rows, start: Matrix, directions: Matrix, liars: int
    ) -> Sequence[Callable[[float], float]]:
        """For each direction, the distance of the aggregate from the honest mean, by a factor.

        All `liars` send `start` plus the factor times the direction; their rows are the last.
        Shapes: `honest` (honest, d), `start` (d,), `directions` (directions, d).
        """
        if self.chain is not None and self.chain.needs_layers:
            return [partial(self._whole, honest, start, one, liars) for one in directions]
        dim = len(start)
        looked = self._columns(dim)
        if self.chain is not None and not self.chain.needs_gram:  # a column by itself is enough
            honest, start, directions = honest[:, looked], start[looked], directions[:, looked]
            looked = np.arange(len(looked))
        spanning = self._spanning(honest, start, directions)
        span = _Span(_products(spanning), dim, len(honest), liars, len(directions))
        if self.chain is None:
            return [partial(_of_mean, span, k) for k in range(len(directions))]
        drawn = drawn_columns(self.chain, dim, self.seed)
        trial = _Trial(self.chain, self.seed, span, spanning[:, drawn], spanning[:, looked])
        return [partial(trial.harm, k) for k in range(len(directions))]

    def _spanning(self, honest: Rows, start: Matrix, directions: Matrix) -> Rows:
        """The vectors of `_Span`.  Shapes: (v, d)."""
        mean = honest.mean(axis=0, dtype=np.float64) if len(honest) else 0 * start
        found = np.empty((len(honest) + 2 + len(directions), len(start)), dtype=np.float32)
        found[0] = mean  # the others from there on: close rows have few digits of their own
        for i, one in enumerate([*honest, start]):
            found[1 + i] = one - mean
        found[2 + len(honest) :] = directions
        if self.chain is not None and self.chain.needs_reference and self.reference is not None:
            return np.vstack([found, self.reference[None]])
        return found

    def _columns(self, dim: int) -> NDArray[np.int64]:
        if dim <= self.columns:
            return np.arange(dim)
        drawn = rng.numpy_generator(self.seed, "foreseen")
        return np.sort(drawn.choice(dim, self.columns, replace=False))

    def _whole(
        self, honest: Rows, start: Matrix, direction: Matrix, liars: int, factor: float
    ) -> float:
        lie = (start + factor * direction).astype(np.float32)
        found = self(np.concatenate([honest, np.repeat(lie[None], liars, axis=0)]))
        mean = honest.mean(axis=0, dtype=np.float64) if len(honest) else 0.0
        return float(np.linalg.norm(found - mean))


@dataclass(frozen=True, slots=True, eq=False)
class _Span:
    """Vectors that all rows are sums of: the honest mean, the way from there to each honest row and
    to the start, directions, perhaps a reference.

    Shapes: `gram` (v, v), their inner products.
    """

    gram: Matrix
    dim: int
    honest: int
    liars: int
    directions: int

    def rows(self, direction: int, factor: float) -> Matrix:
        """All rows in these vectors, with the reference behind them.  Shapes: (n or n + 1, v)."""
        clients, start = self.honest + self.liars, 1 + self.honest
        known = start + 1 + self.directions
        behind = len(self.gram) - known
        rows = np.zeros((clients + behind, len(self.gram)))
        rows[:clients, 0] = 1
        rows[: self.honest, 1:start] = np.eye(self.honest)
        rows[self.honest : clients, start] = 1
        rows[self.honest : clients, start + 1 + direction] = factor
        rows[clients:, known:] = np.eye(behind)
        return rows

    def from_mean(self, coefficients: Matrix) -> float:
        """How far the vectors' sum is from the honest mean.  Shapes: `coefficients` (v,)."""
        way = coefficients.copy()
        way[0] -= 1
        return math.sqrt(max(0.0, float(way @ self.gram @ way)))


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """A chain, and all that it looks at.

    Shapes: `sampled` (v, columns) those that the rule asks for, `looked` (v, columns) those on
    which a columnwise rule is tried.
    """

    chain: Robust
    seed: int
    span: _Span
    sampled: Rows
    looked: Rows

    def harm(self, direction: int, factor: float) -> float:
        rows, clients = self.span.rows(direction, factor), self.span.honest + self.span.liars
        gram = rows @ self.span.gram @ rows.T
        surveyed = np.tril(gram) if self.chain.needs_gram else np.diagonal(gram).copy()
        try:
            settled = settle(
                self.chain, surveyed, clients, self.seed, rows[:clients] @ self.sampled
            )
        except ToleranceError:
            return self.span.from_mean(np.zeros(len(self.span.gram)))
        if settled.plan.weights is not None:
            return self.span.from_mean(settled.plan.weights @ rows[settled.used])
        return self._by_columns(settled, rows)

    def _by_columns(self, settled: Settled, rows: Matrix) -> float:
        looked = np.ascontiguousarray((rows[settled.used] @ self.looked).astype(np.float32))
        width = looked.shape[1]
        out = np.empty(width, dtype=np.float32)
        addresses = looked.ctypes.data + 4 * width * np.arange(len(looked), dtype=np.int64)
        settled.plan.block(addresses, 0, out, settled.counts())
        apart = float(np.linalg.norm(out - self.looked[0].astype(np.float64)))
        return apart * math.sqrt(self.span.dim / max(1, width))


def _of_mean(span: _Span, direction: int, factor: float) -> float:
    rows = span.rows(direction, factor)[: span.honest + span.liars]
    return span.from_mean(rows.sum(axis=0) / max(1, len(rows)))


def _products(vectors: Rows) -> Matrix:
    """All inner products, in float64.  Shapes: (v, d) → (v, v)."""
    from fedplat.aggregators.gram_kernel import add_products  # late: it starts a compiler

    v, dim = vectors.shape
    addresses = vectors.ctypes.data + 4 * dim * np.arange(v, dtype=np.int64)
    gram = np.zeros((v, v))
    add_products(addresses, dim, gram)
    return gram + np.tril(gram, -1).T
