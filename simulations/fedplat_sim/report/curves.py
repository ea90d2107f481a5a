"""Lines over rounds: accuracy (or rmse) and loss, of one run with baselines or of several runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from fedplat.telemetry import readable
from fedplat.telemetry.progress import score_of
from fedplat_sim.report.cards import Card, Key
from fedplat_sim.report.drawing import (
    BLUE,
    CARD,
    GREEN,
    MUTED,
    ORANGE,
    RED,
    VIOLET,
    draw,
    rounds_axis,
    series,
    tick_number,
    tick_percent,
    y_axis,
)
from fedplat_sim.report.run import Run
from fedplat_sim.report.spread import spread_of

Points = Sequence[tuple[float, float]]
BASELINE_COLOURS = {"central": VIOLET, "local_only": ORANGE}
MATRIX_HEIGHT = 440  # of the cross-evaluation, which stands beside the clients' curves
LOG_ABOVE = 30.0  # a loss that spans more than this factor is drawn on a logarithmic axis


@dataclass(frozen=True, slots=True)
class Line:
    """One curve; `level` instead of points is a horizontal line."""

    label: str
    colour: str
    points: Points = ()
    level: float | None = None

    @property
    def key(self) -> Key:
        return Key(self.label, self.colour, "line" if self.level is None else "dashed")


def quality(run: Run) -> Card | None:
    """Accuracy, or rmse, per round on the held-out test set, beside the baselines."""
    if not run.scores:
        return None
    show = readable.number if run.is_regression else readable.percent
    what = "RMSE" if run.is_regression else "Accuracy"
    lines = [Line(f"federation {show(run.scores[-1][1])}", BLUE, run.scores)]
    for baseline in run.baselines:
        score, colour = score_of(baseline), BASELINE_COLOURS.get(baseline.name, MUTED)
        if score is not None:
            name = baseline.name.replace("_", "-")
            lines.append(Line(f"{name} {show(score)}", colour, level=score))
    return card(what, "on the held-out test set", lines, percent=not run.is_regression)


def loss(run: Run) -> Card | None:
    """Test and training loss per round, beside the baselines' test loss."""
    trained = [(one.round, one.train_loss) for one in run.rounds if one.train_loss is not None]
    lines = []
    if run.losses:
        lines.append(Line(f"test {readable.number(run.losses[-1][1])}", BLUE, run.losses))
    if trained:
        label = f"training, mean over clients {readable.number(trained[-1][1])}"
        lines.append(Line(label, GREEN, trained))
    for baseline in run.baselines:
        if baseline.loss is not None and lines:
            name = f"{baseline.name.replace('_', '-')} {readable.number(baseline.loss)}"
            colour = BASELINE_COLOURS.get(baseline.name, MUTED)
            lines.append(Line(name, colour, level=baseline.loss))
    return card("Loss", "lower is better", lines) if lines else None


def clients_over_rounds(run: Run) -> Card | None:
    """Mean, 10th percentile and worst client per round, where clients were evaluated repeatedly."""
    found = [one for one in run.evaluations if one.model == "global" and one.split == "test"]
    if len(found) < 2:
        return None
    spreads = [(one.round, spread_of(one)) for one in found]
    tail = spreads[-1][1].tail_name
    lines = [
        Line("mean", BLUE, [(at, one.mean) for at, one in spreads if one.mean is not None]),
        Line(tail, ORANGE, [(at, one.tail) for at, one in spreads if one.tail is not None]),
        Line("worst", RED, [(at, one.worst) for at, one in spreads if one.worst is not None]),
    ]
    what = "RMSE" if run.is_regression else "Accuracy"
    note = "the global model on every client's own test split"
    beside = MATRIX_HEIGHT if run.cross else 240
    title = f"{what} of the clients"
    return card(title, note, lines, percent=not run.is_regression, height=beside)


def compared(runs: Sequence[Run], labels: Sequence[str]) -> list[Card]:
    """Accuracy and loss per round, and accuracy by bytes sent and by time, of several runs."""
    percent = not any(run.is_regression for run in runs)
    what = "Accuracy" if percent else "Score"
    named = list(zip(runs, labels, range(len(runs)), strict=True))
    scores = [Line(label, series(i), run.scores) for run, label, i in named]
    losses = [Line(label, series(i), run.losses) for run, label, i in named]
    traffic = [Line(label, series(i), _by_megabytes(run)) for run, label, i in named]
    note = "on the held-out test set"
    spent = [Line(label, series(i), _by_seconds(run)) for run, label, i in named]
    return [
        card(f"{what} per round", note, scores, percent=percent),
        card("Loss per round", note, losses),
        card(f"{what} by traffic", "bytes up and down so far", traffic, percent, "megabytes"),
        card(f"{what} by time", "time of all rounds so far", spent, percent, "seconds"),
    ]


def card(
    title: str,
    note: str,
    lines: Sequence[Line],
    percent: bool = False,
    along: str = "round",
    height: int = 240,
) -> Card:
    """Draws lines on shared axes.  Fractions are read as percentages if `percent`."""
    drawn = [line for line in lines if line.points or line.level is not None]

    def paint(axes: Axes) -> None:
        for line in reversed(drawn):
            _paint_line(axes, line)
        _limits(axes, drawn, tick_percent if percent else tick_number, percent)
        _along(axes, drawn, along)

    label = f"{title}: " + "; ".join(line.label for line in drawn)
    chart = draw(f"{title}-{along}", label, paint, height=height)
    return Card(title, (chart,), [line.key for line in lines], note)


def _paint_line(axes: Axes, line: Line) -> None:
    if line.level is not None:
        axes.axhline(line.level, color=line.colour, linestyle=(0, (5, 4)), linewidth=1.5)
        return
    x, y = zip(*line.points, strict=True)
    few = len(x) <= 30
    axes.plot(
        x,
        y,
        color=line.colour,
        marker="o" if few else "",
        markersize=6,
        markeredgecolor=CARD,
        markeredgewidth=1.5,
    )
    if not few:
        axes.plot(x[-1], y[-1], "o", color=line.colour, markersize=6, markeredgecolor=CARD)


def _limits(axes: Axes, lines: Sequence[Line], show: Callable[[float], str], percent: bool) -> None:
    values = [y for line in lines for _, y in line.points]
    values += [line.level for line in lines if line.level is not None]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if not percent and low > 0 and high > LOG_ABOVE * low:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.3, high * 1.3)
        axes.yaxis.set_major_formatter(lambda value, _: show(value))
        axes.yaxis.set_minor_formatter(lambda value, _: "")
        return
    room = 0.06 * (high - low) or max(abs(high), 1e-9) * 0.05
    axes.set_ylim(low - room, min(high + room, 1 + 0.4 * room) if percent else high + room)
    y_axis(axes, show)


def _along(axes: Axes, lines: Sequence[Line], along: str) -> None:
    xs = [x for line in lines for x, _ in line.points]
    low, high = (min(xs), max(xs)) if xs else (0.0, 1.0)
    room = 0.02 * (high - low) or 0.5
    if along == "round":
        rounds_axis(axes, low - room, high + room)
    else:
        axes.set_xlim(max(0.0, low - room), high + room)
        axes.set_xlabel(along)


def _by_megabytes(run: Run) -> Points:
    return _by(run, [(one.bytes_up + one.bytes_down) / 1e6 for one in run.rounds])


def _by_seconds(run: Run) -> Points:
    return _by(run, [(one.seconds or {}).get("total") or 0.0 for one in run.rounds])


def _by(run: Run, spent: Sequence[float]) -> Points:
    sums = np.cumsum(spent).tolist()
    at = {record.round: total for record, total in zip(run.rounds, sums, strict=True)}
    return [(at[number], score) for number, score in run.scores]
