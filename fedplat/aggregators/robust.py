"""A robust rule as a whole: rows that are refused, stages that mix the others, and one rule."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedplat import rng
from fedplat.aggregators import column_kernel, gram_kernel, mean_kernel, network
from fedplat.aggregators.geometry import Geometry, Matrix
from fedplat.aggregators.rules import (
    ColumnwiseRule,
    GramRule,
    MixingRule,
    SamplingRule,
    Window,
    require,
)

Rows = NDArray[np.float32]
Counts = NDArray[np.int64]
Addresses = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What is to be done with every block of columns, once the rows' geometry is known.

    Either `weights` of the rows, or a `window` of each column's values, of rows that are mixed
    first where there is a `mixing`.
    Shapes: `weights` (n,), or (n + 1,) with a reference row; `mixing` (m, n).
    """

    weights: Matrix | None = None
    mixing: Matrix | None = None
    window: Window | None = None

    def block(self, addresses: Addresses, out: Rows, counts: Counts) -> None:
        """Fills `out` from the rows' next `len(out)` columns.

        `counts` are added how often each (mixed) row's value was one of those that were averaged.
        Shapes: `addresses` (n,), or (n + 1,) with a reference row; `counts` (m,) or (n,).
        """
        if self.weights is not None:
            some = np.flatnonzero(self.weights)
            total = np.zeros(len(out))
            mean_kernel.add_rows(total, addresses[some], self.weights[some])
            out[:] = total
            return
        if self.window is None:
            raise ValueError("a plan has weights or a window")
        mixing = np.empty((0, len(addresses))) if self.mixing is None else self.mixing
        n, window = len(mixing) or len(addresses), self.window
        first, last = 0, n
        if window.kind == column_kernel.TRIMMED:
            first, last = window.start, window.stop
        column_kernel.columns(
            addresses,
            np.ascontiguousarray(mixing),
            network.sorting(n, first, last),
            window.kind,
            window.start,
            window.stop,
            out,
            counts,
        )

    def influence(self, counts: Counts) -> Matrix:
        """Each row's share of what the aggregate is made of.  Shapes: (n,), sums to 1, or all 0.

        Of a columnwise rule: of the values that were averaged, by `counts` of all blocks.
        """
        if self.weights is not None:
            return _shares(np.abs(self.weights))
        found = counts.astype(np.float64)
        return _shares(found if self.mixing is None else np.abs(self.mixing).T @ found)


@dataclass(frozen=True, slots=True)
class Robust:
    """Stages that mix rows, one after another, then a rule that makes an aggregate of them."""

    stages: tuple[MixingRule, ...]
    rule: GramRule | ColumnwiseRule

    @classmethod
    def of(cls, parts: Sequence[Any]) -> "Robust":
        """Raises: ValueError, unless all parts but the last mix rows, and the last does not."""
        if not parts:
            raise ValueError("a chain needs at least one rule")
        *stages, rule = parts
        for one in stages:
            if not isinstance(one, MixingRule):
                raise ValueError(
                    f"{one.name} makes an aggregate, so it must be a chain's last part"
                )
        if isinstance(rule, MixingRule):
            raise ValueError(f"{rule.name} mixes rows only, so a rule must follow it")
        return cls(tuple(stages), rule)

    @property
    def needs_gram(self) -> bool:
        """Whether the rows' inner products are asked for, and not their lengths alone."""
        return bool(self.stages) or isinstance(self.rule, GramRule)

    @property
    def needs_reference(self) -> bool:
        """Whether the rule compares rows with a reference row."""
        return bool(getattr(self.rule, "needs_reference", False))

    def with_refused(self, count: int) -> "Robust":
        """The chain for what is left once `count` rows were refused: they were f's, up to f."""
        return Robust(
            tuple(_fewer(one, count) for one in self.stages),
            _fewer(self.rule, count),
        )

    def plan(self, geometry: Geometry, seed: int) -> Plan:
        """Raises: ToleranceError, if there are too few rows for what a part promises."""
        require(len(geometry) >= 1, self.rule.name, "n >= 1", len(geometry), 0)
        mixing = None
        for one in self.stages:
            step = one.mixing(geometry, seed)
            geometry = geometry.mixed(step)
            mixing = step if mixing is None else step @ mixing
        if isinstance(self.rule, ColumnwiseRule):
            return Plan(mixing=mixing, window=self.rule.window(len(geometry)))
        weights = self.rule.weights(geometry, seed)
        if mixing is not None:
            rows = len(mixing)
            weights = np.concatenate([weights[:rows] @ mixing, weights[rows:]])
        return Plan(weights=weights)


def refused(squares: Matrix, most_over_median: float = 1e6) -> dict[int, str]:
    """Which rows can not be used, and why: not finite, or longer than the others by far.

    Shapes: `squares` (n,), the rows' squared lengths.
    """
    found = {int(i): "not finite" for i in np.flatnonzero(~np.isfinite(squares))}
    usual = float(np.median(squares[np.isfinite(squares)])) if len(found) < len(squares) else 0.0
    if usual > 0:
        for i in np.flatnonzero(squares > most_over_median**2 * usual):
            times = np.sqrt(squares[i] / usual)
            if int(i) not in found:
                found[int(i)] = f"{times:.3g} times as long as the median update"
    return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """An aggregate, each row's influence on it, and the rows that were refused.

    Shapes: `value` (d,), `influence` (n,): 0 for rows that were refused.
    """

    value: Rows
    influence: Matrix
    refused: dict[int, str]


def aggregate(
    chain: Robust, rows: Rows, *, seed: int = 0, reference: Rows | None = None
) -> Outcome:
    """Aggregates rows that are all in memory, as one block.  `rows` is not modified.

    Shapes: `rows` (n, d), `reference` (d,).
    Raises: ToleranceError, if too few rows are left for the chain.
    """
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    n, dim = rows.shape
    addresses = rows.ctypes.data + 4 * dim * np.arange(n, dtype=np.int64)
    squares = np.zeros(n)
    gram_kernel.add_squares(addresses, dim, squares)
    left_out = refused(squares)
    kept = np.array([i for i in range(n) if i not in left_out], dtype=np.int64)
    chain, addresses = chain.with_refused(len(left_out)), addresses[kept]
    if chain.needs_reference and reference is not None:
        reference = np.ascontiguousarray(reference, dtype=np.float32)
        addresses = np.append(addresses, reference.ctypes.data)
    geometry = _geometry(chain, addresses, dim, len(kept))
    if len(columns := drawn_columns(chain, dim, seed)):
        geometry = replace(geometry, sample=rows[np.ix_(kept, columns)].astype(np.float64))
    plan = chain.plan(geometry, seed)
    value = np.empty(dim, dtype=np.float32)
    counts = np.zeros(len(kept) if plan.mixing is None else len(plan.mixing), dtype=np.int64)
    plan.block(addresses, value, counts)
    influence = np.zeros(n)
    influence[kept] = plan.influence(counts)[: len(kept)]
    return Outcome(value, influence, left_out)


def drawn_columns(chain: Robust, dim: int, seed: int) -> NDArray[np.int64]:
    """The columns that the chain's rule asks to look at, in the order drawn; none, if it does not.

    Shapes: (columns,).
    """
    if not isinstance(chain.rule, SamplingRule):
        return np.empty(0, dtype=np.int64)
    count = chain.rule.sampled(dim)
    drawn = rng.numpy_generator(seed, "columns")
    if count <= dim:
        return drawn.choice(dim, count, replace=False).astype(np.int64)
    whole = [drawn.permutation(dim) for _ in range(-(-count // dim))] if dim else []
    return np.concatenate([*whole, np.empty(0, dtype=np.int64)])[:count].astype(np.int64)


def _geometry(chain: Robust, addresses: Addresses, dim: int, n: int) -> Geometry:
    gram = np.zeros((len(addresses), len(addresses)))
    if chain.needs_gram:
        gram_kernel.add_products(addresses, dim, gram)
        gram += np.tril(gram, -1).T
    reference = gram[n] if len(addresses) > n else None
    return Geometry(gram[:n, :n], reference)


def _fewer(part: Any, count: int) -> Any:
    if not count or not hasattr(part, "num_byzantine"):
        return part
    return replace(part, num_byzantine=max(0, part.num_byzantine - count))


def _shares(masses: Matrix) -> Matrix:
    total = float(masses.sum())
    return masses / total if total else masses
