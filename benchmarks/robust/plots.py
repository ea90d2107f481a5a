"""The heat maps: worst accuracy by heterogeneity and number of liars."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.robust.arms import DEFAULT, MEAN
from benchmarks.robust.grid import GAMMAS, LIARS
from benchmarks.robust.results import Found

PANELS = (
    (("cnn", "cnn_rest"), DEFAULT, "CNN"),
    (("heat",), DEFAULT, "perceptron"),
    (("mean",), MEAN, "perceptron"),
)
FILE = "robustness.svg"


def draw(found: Found, folder: Path) -> None:
    """One panel for each model and chain of which something is measured."""
    panels = [one for one in PANELS if any(found.of(*arm) for arm in found.arms(*one[0]))]
    if not panels:
        return
    mpl.use("svg")
    import matplotlib.pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "robustness"  # the same file from the same numbers
    figure, axes = plt.subplots(1, len(panels), figsize=(3.6 * len(panels), 3.4), squeeze=False)
    for axis, (parts, chain, model) in zip(axes[0], panels, strict=True):
        _panel(axis, _worst(found, parts))
        axis.set_title(f"{chain.replace('+', ' | ')}\n{model}", fontsize=9)
        axis.set_xlabel("liars beside 10 honest clients", fontsize=8)
    axes[0][0].set_ylabel("share of data dealt at random, γ", fontsize=8)
    figure.suptitle("MNIST: test accuracy under the worst attack, last iterate", fontsize=10)
    figure.tight_layout()
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / FILE, metadata={"Date": None})
    plt.close(figure)


def _worst(found: Found, parts: Sequence[str]) -> list[list[float]]:
    """Rows by γ from 1 down, columns by f; NaN where nothing is measured."""
    rows = []
    for gamma in sorted(GAMMAS, reverse=True):
        row = []
        for liars in LIARS:
            here = [
                (arm, seeds)
                for arm, seeds in found.arms(*parts)
                if arm.get("gamma") == gamma and arm.get("liars") == liars
            ]
            worst = found.worst(one for one in here if found.of(*one))
            row.append(float("nan") if worst is None else worst[1])
        rows.append(row)
    return rows


def _panel(axis: Any, worst: Sequence[Sequence[float]]) -> None:
    axis.imshow(worst, vmin=0, vmax=1, cmap="RdYlGn", aspect="auto")
    axis.set_xticks(range(len(LIARS)), [str(f) for f in LIARS])
    axis.set_yticks(range(len(GAMMAS)), [f"{g:g}" for g in sorted(GAMMAS, reverse=True)])
    for i, row in enumerate(worst):
        for j, accuracy in enumerate(row):
            text = "" if accuracy != accuracy else f"{accuracy:.2f}"
            axis.text(j, i, text, ha="center", va="center", fontsize=9)
