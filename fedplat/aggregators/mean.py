"""The weighted mean, summed in float64 in the order of the clients."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from fedplat import check
from fedplat.params import Vector, aligned
from fedplat.protocols import Sparse

MAX_WEIGHT = 2.0**53


@dataclass(frozen=True, slots=True, eq=False)
class MeanState:
    """A sum in progress: Σ wᵢ·uᵢ and Σ wᵢ.  The rule that made it writes into `total`."""

    total: Float64[Tensor, " dim"]
    weight: float


@dataclass(frozen=True, slots=True)
class Mean:
    """Averages updates: Σ wᵢ·uᵢ / Σ wᵢ, element by element.

    The sum is strictly sequential in the order of `add`: acc ← acc + float64(wᵢ)·float64(uᵢ), each
    operation rounded to float64 by itself; the quotient is rounded to float32.  The fold hands the
    updates over in ClientId order, so arrival, threads and blocks have no say in the result.

    Guarantees: the bits are those of the plain loop, on either path, for any grouping into
    `add_many` and any cut into columns, but for the signs of zeros after `add_sparse`; the mean of
    one update is that update, bit by bit.
    Edge cases: NaN and infinity are not hidden, they reach the result; an update of weight 0 adds
    nothing to a finite sum.
    Raises: ValueError, if a weight is negative, not finite or > 2⁵³, or all weights are 0.
    Source: McMahan et al. 2017, "Communication-Efficient Learning of Deep Networks from
    Decentralized Data", Algorithm 1, last line.  arXiv:1602.05629.  Deviates: nothing.

    >>> rule = Mean()
    >>> state = rule.add(rule.init(2), torch.tensor([1.0, 2.0]), 1.0)
    >>> rule.finish(rule.add(state, torch.tensor([4.0, 2.0]), 2.0))
    tensor([3., 2.])
    """

    def init(self, dim: int) -> MeanState:
        # −0.0 is what leaves every number as it is when added to it; 0.0 turns −0.0 into 0.0
        return MeanState(torch.full((dim,), -0.0, dtype=torch.float64), 0.0)

    def add(self, state: MeanState, update: Vector, weight: float) -> MeanState:
        following = _counted(state, [update], [weight])
        state.total.add_(update.to(torch.float64).mul_(weight))
        return following

    def add_many(
        self, state: MeanState, updates: Sequence[Vector], weights: Sequence[float]
    ) -> MeanState:
        from fedplat.aggregators.mean_kernel import accumulate  # late: it starts a compiler

        following = _counted(state, updates, weights)
        accumulate(state.total, updates, weights)
        return following

    def add_sparse(self, state: MeanState, update: Sparse, weight: float) -> MeanState:
        check_weight(weight)
        if len(update) != len(state.total):
            raise ValueError(f"an update of {len(state.total)} values, got {len(update)}")
        total, values = state.total.numpy(), update.values.numpy()
        total[update.positions.numpy()] += values.astype(np.float64) * weight
        return MeanState(state.total, state.weight + weight)

    def finish(self, state: MeanState) -> Vector:
        check.positive(total_weight=state.weight)
        mean = aligned(len(state.total))
        total = state.total.numpy()
        # NumPy: torch would start threads of its own inside the fold's
        mean.numpy()[:] = np.divide(total, state.weight, out=total)
        return mean


def check_weight(weight: float) -> None:
    """Raises: ValueError, unless `weight` is finite and in [0, 2⁵³]: a count that is exact."""
    check.non_negative(weight=weight)
    if weight > MAX_WEIGHT:
        raise ValueError(f"weight must be <= 2**53, got {weight!r}")


def _counted(state: MeanState, updates: Sequence[Vector], weights: Sequence[float]) -> MeanState:
    """`state` with the weights counted, once updates and weights are looked at."""
    total_weight = state.weight
    for update, weight in zip(updates, weights, strict=True):
        check_weight(weight)
        if update.shape != state.total.shape or update.dtype != torch.float32:
            wanted = f"{len(state.total)} values of float32"
            raise ValueError(f"an update of {wanted}, got {len(update)} of {update.dtype}")
        total_weight += weight
    return MeanState(state.total, total_weight)
