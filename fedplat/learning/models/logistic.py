"""Logistic regression (or, on a regression task, linear regression): one dense layer."""

from collections.abc import Sequence
from math import prod

from torch import nn


def logistic(input_shape: Sequence[int], num_outputs: int) -> nn.Module:
    """One dense layer from the flattened input to the outputs."""
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(input_shape), num_outputs))
