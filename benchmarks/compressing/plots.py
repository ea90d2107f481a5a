"""Pictures: accuracy over simulated time on three links, and the curves of ratio and loss."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from benchmarks.compressing import clock
from benchmarks.compressing.grid import Plan
from benchmarks.compressing.summary import Compared, Found

WIDTH, HEIGHT = 12.0, 3.6
FLOOR = 0.7  # accuracies below are not shown


def draw(plan: Plan, found: Found, folder: Path) -> list[Path]:
    """Writes the pictures of what was measured; their files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [
        path
        for study, accuracy in plan.targets
        if (path := _clocks(Compared(study, found), accuracy, folder)) is not None
    ]
    return [*written, *_curves(Compared(plan.curve, found), folder)]


def _clocks(compared: Compared, accuracy: float, folder: Path) -> Path | None:
    study = compared.study
    measured = [arm for arm in study.arms if compared.seeds(arm)]
    if not measured:
        return None
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.subplots(1, len(clock.LINKS_MBIT_S), sharey=True)
    for axis, link in zip(axes, clock.LINKS_MBIT_S, strict=True):
        for arm in measured:
            rounds = compared.cell(arm, compared.seeds(arm)[0])["rounds"]
            shown = [one["accuracy"] for one in rounds]
            axis.plot([s / 60 for s in clock.clock(rounds, link)], shown, label=arm.name)
        axis.axhline(accuracy, color="grey", linewidth=0.6)
        axis.set(title=f"{link} Mbit/s a client", xscale="log", xlabel="simulated minutes")
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_ylim(bottom=FLOOR)
    axes[0].set_ylabel(f"{study.federation.model}: validation accuracy")
    axes[-1].legend(fontsize="x-small", loc="lower right")
    return _saved(figure, folder / f"compression-clock-{study.federation.model}.svg")


def _curves(compared: Compared, folder: Path) -> list[Path]:
    families = [one for one in compared.families() if compared.points(one, "test")]
    if not families:
        return []
    figure = Figure(figsize=(WIDTH / 2, HEIGHT), layout="constrained")
    axis = figure.subplots()
    for family in families:
        points = sorted(compared.points(family, "test"), key=lambda point: point.ratio)
        ratios, losses = [p.ratio for p in points], [p.loss_pt for p in points]
        axis.plot(ratios, losses, marker="o", label=family)
    axis.set(xscale="log", xlabel="float32 bytes / uplink frames", ylabel="points lost (test)")
    axis.invert_yaxis()
    axis.legend(fontsize="x-small")
    return [_saved(figure, folder / "compression-curves.svg")]


def _saved(figure: Figure, path: Path) -> Path:
    with mpl.rc_context({"svg.hashsalt": path.name}):
        figure.savefig(path, metadata={"Date": None})
    return path
