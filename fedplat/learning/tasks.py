"""What is learned: the loss that training minimises and the metrics that evaluation counts."""

from collections.abc import Mapping
from fractions import Fraction

import torch
from jaxtyping import Float32, Int64
from torch import Tensor
from torch.nn import functional

from fedplat.types import Mean, Metrics, TaskKind


class Classification:
    """Cross-entropy over class indices.

    Shapes: `outputs` (batch, classes) float32 logits; `targets` (batch,) int64.
    """

    def loss(
        self, outputs: Float32[Tensor, "batch classes"], targets: Int64[Tensor, " batch"]
    ) -> Float32[Tensor, ""]:
        return functional.cross_entropy(outputs, targets)

    def losses(
        self, outputs: Float32[Tensor, "batch classes"], targets: Int64[Tensor, " batch"]
    ) -> Float32[Tensor, " batch"]:
        """The loss of each sample; their mean is `loss`."""
        return functional.cross_entropy(outputs, targets, reduction="none")

    def metrics(
        self, outputs: Float32[Tensor, "batch classes"], targets: Int64[Tensor, " batch"]
    ) -> Metrics:
        """`accuracy` and `loss`.  Raises: ValueError, if a loss is not finite."""
        correct = int((outputs.argmax(1) == targets).sum())
        total = float(self.losses(outputs, targets).double().sum())
        return {
            "accuracy": Mean(Fraction(correct), len(targets)),
            "loss": Mean(_fraction(total), len(targets)),
        }

    def nothing(self) -> Metrics:
        """The metrics of an empty data set."""
        return {"accuracy": Mean(Fraction(0), 0), "loss": Mean(Fraction(0), 0)}


class Regression:
    """Mean squared error over a sample's outputs.

    Shapes: `outputs` and `targets` (batch, outputs) float32.
    """

    def loss(
        self, outputs: Float32[Tensor, "batch outs"], targets: Float32[Tensor, "batch outs"]
    ) -> Float32[Tensor, ""]:
        return functional.mse_loss(outputs, targets)

    def losses(
        self, outputs: Float32[Tensor, "batch outs"], targets: Float32[Tensor, "batch outs"]
    ) -> Float32[Tensor, " batch"]:
        """The loss of each sample; their mean is `loss`."""
        return (outputs - targets).square().flatten(1).mean(1)

    def metrics(
        self, outputs: Float32[Tensor, "batch outs"], targets: Float32[Tensor, "batch outs"]
    ) -> Metrics:
        """`squared_error` over output values (its root is the RMSE) and `loss` over samples.

        Raises: ValueError, if an error is not finite.
        """
        total = _fraction(float((outputs.double() - targets.double()).square().sum()))
        samples = len(targets)
        per_sample = max(1, targets.numel() // max(1, samples))
        return {
            "loss": Mean(total / per_sample, samples),
            "squared_error": Mean(total, targets.numel()),
        }

    def nothing(self) -> Metrics:
        """The metrics of an empty data set."""
        return {"loss": Mean(Fraction(0), 0), "squared_error": Mean(Fraction(0), 0)}


Task = Classification | Regression
BY_KIND: Mapping[TaskKind, Task] = {
    "classification": Classification(),
    "regression": Regression(),
}


def _fraction(total: float) -> Fraction:
    if not torch.tensor(total).isfinite():
        raise ValueError(f"a sum of losses is not finite: {total!r}")
    return Fraction(total)
