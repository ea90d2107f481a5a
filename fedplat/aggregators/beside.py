"""Aggregates what rides beside the vector: tensors that are not float32."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fedplat import check
from fedplat.aggregators.mean import check_weight


def fold_beside(rows: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Makes one tensor of the clients' tensors of one name, given in ClientId order.

    Edge cases:
        floating point      the weighted mean, summed in float64 in order, in the tensors' own dtype
        integer             the maximum: a counter (BatchNorm's `num_batches_tracked`) has no mean
        bool                refused: neither rule means anything
    Raises: ValueError, if there is no row, the rows' shapes or dtypes differ, a weight is negative,
    not finite or > 2⁵³, all weights are 0, or the tensors are bool.
    """
    if not rows:
        raise ValueError("rows must not be empty")
    first = rows[0]
    for row, weight in zip(rows, weights, strict=True):
        check_weight(weight)
        if row.shape != first.shape or row.dtype != first.dtype:
            raise ValueError(f"rows must be alike, got {_kind(first)} and {_kind(row)}")
    check.positive(total_weight=sum(weights))
    if first.dtype == torch.bool:
        raise ValueError("a bool tensor has neither a mean nor a maximum: keep it at the clients")
    return _mean(rows, weights) if first.is_floating_point() else _maximum(rows)


def fold_beside_robustly(rows: Sequence[Tensor]) -> Tensor:
    """Makes one tensor as `fold_beside` does, where some of the clients may lie.

    Each element is the median of the clients' (of an even number the lower one of the two in the
    middle), so it is one that a client has sent, and with fewer than half liars not beyond what an
    honest one has.
    Raises: ValueError, if there is no row.
    """
    if not rows:
        raise ValueError("rows must not be empty")
    return torch.stack(list(rows)).sort(dim=0).values[(len(rows) - 1) // 2]


def _mean(rows: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    total = torch.full_like(rows[0], -0.0, dtype=torch.float64)
    weight = 0.0
    for row, row_weight in zip(rows, weights, strict=True):
        total += row.to(torch.float64) * row_weight
        weight += row_weight
    return (total / weight).to(rows[0].dtype)


def _maximum(rows: Sequence[Tensor]) -> Tensor:
    largest = rows[0].clone()
    for row in rows[1:]:
        torch.maximum(largest, row, out=largest)
    return largest


def _kind(tensor: Tensor) -> str:
    return f"{tensor.dtype} {tuple(tensor.shape)}"
