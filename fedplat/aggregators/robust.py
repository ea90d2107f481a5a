"""A robust rule as a whole: rows that are refused, stages that mix the others, and one rule."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedplat import rng
from fedplat.aggregators import kinds
from fedplat.aggregators.geometry import Geometry, Matrix
from fedplat.aggregators.layerwise import Layers
from fedplat.aggregators.plan import Addresses, Counts, Plan, Rows
from fedplat.aggregators.rules import (
    ColumnwiseRule,
    GramRule,
    LayerwiseRule,
    MixingRule,
    NoisyRule,
    SamplingRule,
    require,
)

BLOCK = (
    1 << 16
)  # columns whose inner products are summed by themselves, so that blocks can be apart


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
        if isinstance(rule, LayerwiseRule) and stages:
            raise ValueError(f"{rule.name} looks at layers as they were sent: no stage before it")
        return cls(tuple(stages), rule)

    @property
    def needs_gram(self) -> bool:
        """Whether the rows' inner products are asked for, and not their lengths alone."""
        return bool(self.stages) or (isinstance(self.rule, GramRule) and not self.needs_layers)

    @property
    def needs_layers(self) -> bool:
        """Whether the rule looks at every layer of the rows by itself."""
        return isinstance(self.rule, LayerwiseRule)

    @property
    def needs_reference(self) -> bool:
        """Whether the rule compares rows with a reference row."""
        return bool(getattr(self.rule, "needs_reference", False))

    @property
    def num_byzantine(self) -> int | None:
        """How many liars it is told that there may be, by the part that fears the most."""
        told = [getattr(part, "num_byzantine", None) for part in (*self.stages, self.rule)]
        return max((one for one in told if one is not None), default=None)

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
        noise = self.rule.noise_std(geometry) if isinstance(self.rule, NoisyRule) else 0.0
        return Plan(weights=weights, noise=noise, seed=seed)

    def layers(self, sample: NDArray[np.floating], sizes: Sequence[int], dim: int) -> Layers | None:
        """What is to be surveyed of layers of these sizes; None, if the rule does not look at them.

        Shapes: `sample` (n, columns), those drawn.
        Raises: ValueError, unless the sizes add up to `dim`.
        """
        if not isinstance(self.rule, LayerwiseRule):
            return None
        return Layers.of(sizes, dim, self.rule.thresholds(sample))


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


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """What is known once all rows were looked at: which are used, why others are not, and how.

    Shapes: `used` (n - refused,), or one more with a reference row: places among the addresses.
    """

    rows: int
    used: NDArray[np.int64]
    refused: dict[int, str]
    plan: Plan

    def counts(self) -> Counts:
        """Zeros, for `Plan.block` to add to."""
        mixing = self.plan.mixing
        return np.zeros(len(self.used) if mixing is None else len(mixing), dtype=np.int64)

    def outcome(self, value: Rows, counts: Counts) -> Outcome:
        """With the influence of each row, by the counts of all blocks."""
        clients = self.used[self.used < self.rows]
        influence = np.zeros(self.rows)
        influence[clients] = self.plan.influence(counts)[: len(clients)]
        return Outcome(value, influence, self.refused)


def survey(
    chain: Robust, addresses: Addresses, start: int, length: int, layers: Layers | None = None
) -> Matrix:
    """What the chain has to know of a block of columns; all blocks' are added up in their order.

    The block is that of the columns from `start` on, which `addresses` point at.
    Shapes: (n, n) inner products on and below the diagonal, or (n,) squares, if these are enough;
    (layers, n, 4) where there are layers.
    """
    if layers is not None:
        return layers.survey(addresses, start, length)
    from fedplat.aggregators import gram_kernel  # late: it starts a compiler

    n = len(addresses)
    if not chain.needs_gram:
        squares = np.zeros(n)
        gram_kernel.add_squares(addresses, length, squares)
        return squares
    gram = np.zeros((n, n))
    gram_kernel.add_products(addresses, length, gram)
    return gram


def settle(
    chain: Robust,
    surveyed: Matrix,
    rows: int,
    seed: int,
    sample: NDArray[np.floating] | None = None,
    layers: Layers | None = None,
) -> Settled:
    """Makes the plan for `rows` rows, and a reference row behind them where one was surveyed.

    Shapes: `surveyed` as the sum of `survey`s, `sample` (rows, columns).
    Raises: ToleranceError, if too few rows are left for the chain.
    """
    known = surveyed if layers is not None else None
    if known is not None:
        surveyed = known[:, :, kinds.ALL].sum(axis=0)
    squares = surveyed if surveyed.ndim == 1 else np.diagonal(surveyed)
    left_out = refused(squares[:rows])
    kept = np.array([i for i in range(rows) if i not in left_out], dtype=np.int64)
    used = np.append(kept, np.arange(rows, len(squares)))
    if surveyed.ndim == 1:
        geometry = Geometry(np.diag(surveyed[kept]))
    else:
        gram = surveyed[np.ix_(used, used)]
        gram = gram + np.tril(gram, -1).T
        n = len(kept)
        geometry = Geometry(gram[:n, :n], gram[n] if len(used) > n else None)
    if known is not None:
        geometry = replace(geometry, layers=known[:, kept])
    elif sample is not None and sample.shape[1]:
        geometry = replace(geometry, sample=sample[kept].astype(np.float64))
    plan = chain.with_refused(len(left_out)).plan(geometry, seed)
    return Settled(rows, used, left_out, replace(plan, layers=layers))


def aggregate(
    chain: Robust,
    rows: Rows,
    *,
    seed: int = 0,
    reference: Rows | None = None,
    layers: Sequence[int] = (),
) -> Outcome:
    """Aggregates rows that are all in memory.  `rows` is not modified.

    `layers` are the sizes of the model's tensors in their order; none: the rows are one.

    Shapes: `rows` (n, d), `reference` (d,).
    Raises: ToleranceError, if too few rows are left for the chain; ValueError, if the layers do not
    fit the rows.
    """
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    n, dim = rows.shape
    addresses = rows.ctypes.data + 4 * dim * np.arange(n, dtype=np.int64)
    if chain.needs_reference and reference is not None:
        reference = np.ascontiguousarray(reference, dtype=np.float32)
        addresses = np.append(addresses, reference.ctypes.data)
    blocks = [(start, min(BLOCK, dim - start)) for start in range(0, max(dim, 1), BLOCK)]
    sample = rows[:, drawn_columns(chain, dim, seed)]
    cut = chain.layers(sample, layers, dim)
    surveyed = sum(
        survey(chain, addresses + 4 * start, start, width, cut) for start, width in blocks
    )
    settled = settle(chain, np.asarray(surveyed), n, seed, sample, cut)
    value, counts = np.empty(dim, dtype=np.float32), settled.counts()
    for start, width in blocks:
        out = value[start : start + width]
        settled.plan.block(addresses[settled.used] + 4 * start, start, out, counts)
    return settled.outcome(value, counts)


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


def _fewer(part: Any, count: int) -> Any:
    if not count or not hasattr(part, "num_byzantine"):
        return part
    return replace(part, num_byzantine=max(0, part.num_byzantine - count))
