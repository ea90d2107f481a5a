"""What a configuration is chosen by: a figure on the clients' validation splits."""

from collections.abc import Mapping
from typing import Literal

Criterion = Literal["validation accuracy", "validation loss", "validation rmse"]

# the measure of a cell that a criterion reads, and whether more of it is better
MEASURE: Mapping[Criterion, tuple[str, bool]] = {
    "validation accuracy": ("validation_accuracy", True),
    "validation loss": ("validation_loss", False),
    "validation rmse": ("validation_rmse", False),
}
