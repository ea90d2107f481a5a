"""PowerSGD: a matrix as the product of two thin ones, found by one step of power iteration."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from fedplat import check
from fedplat.codecs import finite
from fedplat.codecs.kernels import counter, factors
from fedplat.codecs.packet import Form, Packet, Values
from fedplat.codecs.stage import Memory, Traits
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout
from fedplat.types import TensorSpec

Columns = NDArray[np.float64]

SAME = 1e-9  # of a column's length: what is left of less, without the others, is rounding


@dataclass(frozen=True, slots=True)
class LowRank:
    """Sends P (m, `rank`) and Q (n, `rank`) in place of each m×n matrix M: x̂ = P·Qᵀ.

    A convolution's weights are a matrix of its first dimension by all others.  P is an orthonormal
    basis of M·Q₀, Q is Mᵀ·P; Q₀ is the Q of the client's last acknowledged update (at first random
    signs, the same for everybody).  Tensors with fewer than two dimensions, and matrices of which P
    and Q would be no smaller, travel as they are.  Decoding needs nothing but P and Q.

    Guarantees: ‖M − x̂‖ ≤ ‖M‖; a matrix whose rank is `rank` or less comes back up to rounding; all
    bits, of encoding too, are equal on every CPU (every sum runs in a fixed order).
    Edge cases: a column that comes out as zeros is 0 on the wire, and its Q₀ begins anew.
    Raises: ValueError, unless `rank` is a whole number of 1 or more.
    Source: Vogels et al. 2019, "PowerSGD: Practical Low-Rank Gradient Compression for Distributed
    Optimization", Algorithm 1.  arXiv:1905.13727.  Deviates: without all-reduce between P and Q:
    each client makes both of its own update, so the mean of n updates has rank n · `rank`.
    """

    name: ClassVar[str] = "low_rank"
    rank: int = 2

    def __post_init__(self) -> None:
        check.whole(1, rank=self.rank)

    @property
    def traits(self) -> Traits:
        return Traits(lossy=True, unbiased=False, linear=False, drops=True, stateful=True)

    def form(self, before: Form) -> Form:
        if before != Form():
            raise ValueError(f"low_rank takes all values of an update, not {before.kind}")
        return before

    def reshaped(self, layout: Layout) -> Layout:
        """Of each matrix two tensors in its place: P and Q, by columns."""
        specs = []
        for spec in layout.flat:
            if not self._pays(spec):
                specs.append(spec)
                continue
            for factor, length in zip("PQ", _shape(spec), strict=True):
                shape = (self.rank, length)
                specs.append(TensorSpec(f"{spec.name}:{factor}", torch.float32, shape))
        return Layout(tuple(specs))

    def memory(self, layout: Layout) -> Memory:
        """Q₀ of all matrices, one behind the other."""
        lengths = [self.rank * _shape(spec)[1] for spec in layout.flat if self._pays(spec)]
        return {"right": _signs(sum(lengths))}

    def forward(self, packet: Packet, memory: Memory, seed: int) -> tuple[Packet, Memory]:
        right, fresh = memory["right"], _signs(len(memory["right"]))
        sent, following, start = [], [], 0
        for spec, values in self._cut(packet.dense(), packet.layout):
            if not self._pays(spec):
                sent.append(values)
                continue
            m, n = _shape(spec)
            here = slice(start, start := start + self.rank * n)
            left, found = _factors(values.reshape(m, n), right[here].reshape(self.rank, n))
            sent += [left.reshape(-1), found.reshape(-1)]
            lost = ~found.any(axis=1, keepdims=True)
            following.append(np.where(lost, fresh[here].reshape(self.rank, n), found).reshape(-1))
        values = np.concatenate([np.empty(0, dtype=np.float32), *sent])
        after = np.concatenate([np.empty(0, dtype=np.float32), *following])
        layout = self.reshaped(packet.layout)
        return replace(packet, layout=layout, values=values, positions=None), {"right": after}

    def backward(self, packet: Packet, layout: Layout) -> Packet:
        values, start = replace(packet, layout=self.reshaped(layout)).dense(), 0
        if not np.isfinite(values).all():
            raise CorruptPayloadError(reason="a value of a factor is not finite")
        packet = Packet(layout, side=packet.side)  # what was read, perhaps sparse, is let go
        vector = np.empty(layout.dim, dtype=np.float32)
        for spec, out in self._cut(vector, layout):
            m, n = _shape(spec) if self._pays(spec) else (0, 0)
            if not m:
                out[:] = values[start : (start := start + len(out))]
                continue
            left = values[start : (start := start + self.rank * m)].reshape(self.rank, m)
            right = values[start : (start := start + self.rank * n)].reshape(self.rank, n)
            factors.product(left, right, out.reshape(m, n))
        return replace(packet, values=vector)

    def _pays(self, spec: TensorSpec) -> bool:
        return len(spec.shape) >= 2 and self.rank * sum(_shape(spec)) < spec.numel

    def _cut(self, vector: Values, layout: Layout) -> Iterator[tuple[TensorSpec, Values]]:
        """Each tensor with its part of `vector`, which it shares."""
        start = 0
        for spec in layout.flat:
            yield spec, vector[start : (start := start + spec.numel)]


def _shape(spec: TensorSpec) -> tuple[int, int]:
    """Of the matrix that a tensor of two or more dimensions is taken for."""
    rows = spec.shape[0]
    return rows, spec.numel // rows if rows else 0


def _factors(matrix: Values, right: Values) -> tuple[Values, Values]:
    """P and Q, by columns, for a Q₀."""
    left = factors.times(matrix, right.astype(np.float64))
    for _ in range(2):  # once leaves rounding of nearly equal columns; twice is enough
        _orthonormalise(left)
    left = left.astype(np.float32).astype(np.float64)  # as it will be decoded
    return left.astype(np.float32), finite.nearest(factors.transposed_times(matrix, left))


def _orthonormalise(columns: Columns) -> None:
    """Modified Gram–Schmidt in place; a column that follows from those before it becomes 0."""
    for c, column in enumerate(columns):
        before = _length(column)
        for other in columns[:c]:
            column -= other * _sum(other * column)
        after = _length(column)
        column *= 1 / after if after > SAME * before else 0.0


def _length(column: Columns) -> float:
    return float(np.sqrt(_sum(np.square(column))))


def _sum(numbers: Columns) -> float:
    """In the order that they stand in (`np.cumsum` adds one by one; `np.sum` by blocks)."""
    return float(np.cumsum(numbers)[-1])


def _signs(count: int) -> Values:
    """Random signs that never change: what every client's first Q₀ is made of."""
    return np.where(counter.words(0, count) >> np.uint64(63), -1, 1).astype(np.float32)
