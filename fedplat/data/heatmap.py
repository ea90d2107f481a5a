"""A picture of a split: clients × classes, and the clients' sizes beside it."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fedplat.data.summary import SplitSummary

_ROW_INCHES, _LARGEST_INCHES = 0.22, 16.0


def draw(summary: SplitSummary, title: str) -> Figure:
    """Draws a row per client: its label distribution and, on the right, its number of samples."""
    clients, columns = summary.counts.shape
    height = float(np.clip(1.6 + _ROW_INCHES * clients, 3.0, _LARGEST_INCHES))
    figure = Figure(figsize=(9.0, height), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    grid, sizes = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
    largest = np.maximum(summary.sizes[:, np.newaxis], 1)
    image = grid.imshow(
        summary.counts / largest, aspect="auto", cmap="Blues", vmin=0, interpolation="nearest"
    )
    grid.set_xticks(range(columns), summary.classes or ["samples"])
    grid.tick_params(axis="x", rotation=0 if columns <= 10 else 60)
    grid.set(xlabel="class", ylabel="client")
    grid.set_yticks(np.unique(np.linspace(0, clients - 1, min(clients, 20)).astype(int)))
    if clients <= 40 and columns <= 20:
        _write_counts(grid, summary)
    figure.colorbar(image, ax=grid, label="share of the client's samples", fraction=0.05)
    sizes.barh(range(clients), summary.sizes, color="#4c78a8")
    sizes.set(xlabel="samples")
    sizes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize="medium")
    return figure


def save(summary: SplitSummary, title: str, path: Path) -> None:
    """Writes the picture as a PNG file.

    Raises: OSError, if `path` can not be written.
    """
    draw(summary, title).savefig(path, format="png", metadata={"Software": None})


def _write_counts(grid: Axes, summary: SplitSummary) -> None:
    largest = np.maximum(summary.sizes, 1)
    for (row, column), count in np.ndenumerate(summary.counts):
        if count:
            color = "white" if count / largest[row] > 0.5 else "black"
            grid.text(column, row, str(count), ha="center", va="center", fontsize=6, color=color)
