"""Ratio against error: every codec on one payload, as a picture."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.coding import labels
from benchmarks.coding.labels import Label

MARKERS = {"raw": ".", "zstd": "1", "pco": "s", "rice": "^", "huffman": "v", "context": "o"}
LEAST_ERROR = 1e-6  # lossless stands at the edge
DARKER = 0.7  # names than their lines: pale ones are hard to read


def draw(rows: Iterable[Mapping[str, Any]], payload: str, path: Path) -> None:
    """Writes an SVG; of each codec a line through its entropy coders, by their names' markers."""
    mine = [row for row in rows if row.get("payload") == payload and "coder" in row]
    names = list(dict.fromkeys(row["codec"] for row in mine))
    figure, axes = pyplot.subplots(figsize=(9, 7))
    colours = pyplot.get_cmap("tab20")  # first its ten dark ones, then the pale
    names_at: list[Label] = []
    for index, name in enumerate(names):
        shown = [row for row in mine if row["codec"] == name and row["coder"] in MARKERS]
        heights = [max(row["nmse"], LEAST_ERROR) for row in shown]
        colour = colours((2 * index + index // 10) % 20)
        axes.plot([row["ratio"] for row in shown], heights, color=colour, lw=0.8, alpha=0.6)
        for row, height in zip(shown, heights, strict=True):
            axes.plot(row["ratio"], height, MARKERS[row["coder"]], color=colour, ms=6)
        last = max(shown, key=lambda row: row["ratio"])
        darker = tuple(DARKER * part for part in colour[:3])
        names_at.append(Label(name, last["ratio"], max(last["nmse"], LEAST_ERROR), darker))
    points = list(axes.lines)
    for coder, marker in MARKERS.items():
        axes.plot([], [], marker, color="grey", label=coder)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="float32 bytes / bytes of the frame",
        ylabel="‖x − x̂‖² / ‖x‖²  (10⁻⁶: lossless)",
        title=f"Codecs on {payload}",
    )
    axes.grid(True, which="major", alpha=0.3)
    legend = axes.legend(title="entropy coder", loc="lower right", fontsize=8)
    _named(figure, axes, names_at, [*points, legend])
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": "fedplat"}):
        figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)


def _named(figure: Figure, axes: Axes, names: list[Label], taken: list[Artist]) -> None:
    """Writes the names, the highest first, where nothing is taken yet."""
    figure.draw_without_rendering()
    boxes = [one.get_window_extent() for one in taken]
    labels.put(axes, sorted(names, key=lambda one: -one.y), boxes)
