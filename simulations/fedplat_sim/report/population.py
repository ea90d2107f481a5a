"""How the clients fare: the distribution over clients, and each one's model on the others' data."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.ticker import MaxNLocator

from fedplat.telemetry import readable
from fedplat.telemetry.records import CrossEvaluation, Evaluation
from fedplat_sim.report.cards import Card, Key
from fedplat_sim.report.curves import MATRIX_HEIGHT
from fedplat_sim.report.drawing import (
    BLUE,
    CARD,
    GREEN,
    GRID,
    INK,
    ORANGE,
    RED,
    bars,
    draw,
    tick_number,
    tick_percent,
    y_axis,
)
from fedplat_sim.report.run import Run
from fedplat_sim.report.spread import spread_of

GOLDEN = 0.6180339887498949  # multiples of it, modulo 1, spread evenly: jitter without chance
ANNOTATED = 12  # a matrix of up to as many clients has its numbers written in


def distribution(run: Run, model: str) -> Card | None:
    """The clients' last accuracies (or rmse): a histogram above one dot a client."""
    evaluation = run.last_evaluation(model)
    if evaluation is None:
        return None
    values, percent = _values(evaluation)
    if not len(values):
        return None
    show = readable.percent if percent else readable.number
    known = _marks(evaluation)
    colour = BLUE if model == "global" else GREEN

    def paint(axes: Axes) -> None:
        _paint_distribution(axes, values, [(v, c) for _, v, c in known], colour, percent)

    what = "Accuracy" if percent else "RMSE"
    whose = "the global model" if model == "global" else "each client's own model"
    legend = [Key(f"{name} {show(value)}", c, "dashed") for name, value, c in known]
    return Card(
        f"{what} over clients, {model} model",
        (draw(f"clients-{model}", f"{what} of {len(values)} clients", paint),),
        legend,
        f"{whose} on {_clients(len(values))} test split{'s' if len(values) > 1 else ''}, "
        f"round {evaluation.round}",
    )


def by_size(run: Run) -> Card | None:
    """Each client's last accuracy (or rmse) of the global model against its training samples."""
    evaluation = run.last_evaluation("global")
    if evaluation is None or run.shards is None:
        return None
    held = {client: sum(counts) for client, counts in run.shards.counts.items()}
    found = [
        (held[client], one.rmse if one.accuracy is None else one.accuracy)
        for client, one in sorted(evaluation.clients.items())
        if client in held
    ]
    points = [(size, score) for size, score in found if score is not None]
    if not points:
        return None

    def paint(axes: Axes) -> None:
        sizes, scores = zip(*points, strict=True)
        dot = 44 if len(points) <= 100 else 12
        axes.scatter(sizes, scores, s=dot, color=BLUE, alpha=0.75, edgecolors=CARD, linewidths=0.8)
        y_axis(axes, tick_number if run.is_regression else tick_percent)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, steps=[1, 2, 5, 10]))
        axes.set_xlabel("training samples of the client")

    what = "RMSE" if run.is_regression else "Accuracy"
    height = MATRIX_HEIGHT if run.cross else 240
    chart = draw("by-size", f"{what} of clients by training samples", paint, height=height)
    note = f"the global model on each client's test split, round {evaluation.round}"
    return Card(f"{what} by size of the client", (chart,), (), note)


def cross_evaluation(run: Run) -> Card | None:
    """The matrix of each client's model on each client's test split."""
    cross = run.cross
    if cross is None or not cross.clients:
        return None
    matrix = np.array(
        [[np.nan if value is None else value for value in row] for row in cross.accuracy]
    )
    if matrix.shape != (len(cross.clients),) * 2 or np.isnan(matrix).all():
        return None
    low, high = float(np.nanmin(matrix)), float(np.nanmax(matrix))

    def paint(axes: Axes) -> None:
        _paint_matrix(axes, matrix, low, high, [short(client) for client in cross.clients])

    what = "accuracy of each client's model on each client's data"
    scale = f"accuracy from {readable.percent(low, 0)} (pale) to {readable.percent(high, 0)}"
    return Card(
        "Whose model fits whose data",
        (draw("cross", what, paint, height=MATRIX_HEIGHT),),
        [Key(scale, BLUE)],
        _own_against_others(cross, matrix),
    )


def shaded(values: np.ndarray, colour: str) -> np.ndarray:
    """Numbers in [0, 1] as one colour's opacity, which reads on light and dark; NaN is clear.

    Shapes: (rows, columns) in, (rows, columns, 4) out.
    """
    image = np.zeros((*values.shape, 4))
    image[..., :3] = to_rgb(colour)
    image[..., 3] = np.nan_to_num(0.04 + 0.86 * values, nan=0.0)
    return image


def short(client: str) -> str:
    """A client's number without the zeros that pad it; another name as it is."""
    head, _, digits = client.rpartition("-")
    return str(int(digits)) if head == "client" and digits.isdecimal() else client[:12]


def _marks(evaluation: Evaluation) -> list[tuple[str, float, str]]:
    spread = spread_of(evaluation)
    marks = [
        ("mean", spread.mean, INK),
        (spread.tail_name, spread.tail, ORANGE),
        ("worst", spread.worst, RED),
    ]
    return [(name, value, colour) for name, value, colour in marks if value is not None]


def _values(evaluation: Evaluation) -> tuple[np.ndarray, bool]:
    figures = [evaluation.clients[client] for client in sorted(evaluation.clients)]
    accuracies = [one.accuracy for one in figures if one.accuracy is not None]
    if accuracies:
        return np.array(accuracies), True
    return np.array([one.rmse for one in figures if one.rmse is not None]), False


def _paint_distribution(
    axes: Axes,
    values: np.ndarray,
    marks: Sequence[tuple[float, str]],
    colour: str,
    percent: bool,
) -> None:
    low, high = float(values.min()), float(values.max())
    room = 0.06 * (high - low) or 0.02 * max(abs(high), 1e-9)
    edges = np.linspace(low - room / 2, high + room / 2, _bins(len(values)) + 1)
    counts, _ = np.histogram(values, bins=edges)
    top = float(counts.max())
    centres, width = (edges[:-1] + edges[1:]) / 2, float(edges[1] - edges[0])
    bars(axes, centres, np.zeros(len(counts)), counts.astype(float), colour, 0.9 * width)
    spread = (np.arange(len(values)) * GOLDEN) % 1
    heights = -top * (0.10 + 0.22 * spread)
    size = 44 if len(values) <= 100 else 12
    axes.scatter(values, heights, s=size, color=colour, alpha=0.75, edgecolors=CARD, linewidths=0.8)
    for value, ink in marks:
        axes.axvline(value, color=ink, linestyle=(0, (4, 3)), linewidth=1.5)
    axes.set_xlim(low - room, high + room)
    axes.set_ylim(-0.4 * top, 1.08 * top)
    axes.axhline(0, color=GRID, linewidth=1)
    ticks = [tick for tick in axes.get_yticks() if tick >= 0 and tick == int(tick)]
    axes.set_yticks(ticks[: len(ticks)], [readable.count(int(tick)) for tick in ticks])
    axes.set_ylim(-0.4 * top, 1.08 * top)
    axes.set_ylabel("clients")
    axes.set_xlabel("accuracy" if percent else "rmse")
    show = tick_percent if percent else tick_number
    axes.xaxis.set_major_formatter(lambda value, _: show(value))


def _bins(clients: int) -> int:
    return min(24, max(7, round(2 * math.sqrt(clients))))


def _paint_matrix(
    axes: Axes, matrix: np.ndarray, low: float, high: float, names: Sequence[str]
) -> None:
    scaled = (matrix - low) / ((high - low) or 1.0)
    axes.grid(False)
    axes.imshow(shaded(scaled, BLUE), aspect="auto", interpolation="none")
    every = -(-len(names) // 20)
    at = range(0, len(names), every)
    axes.set_xticks(at, [names[index] for index in at])
    axes.set_yticks(at, [names[index] for index in at])
    axes.set_xlabel("test split of client")
    axes.set_ylabel("model of client")
    axes.spines[:].set_visible(False)
    if len(names) > ANNOTATED:
        return
    for (row, column), value in np.ndenumerate(matrix):
        if not np.isnan(value):
            axes.text(
                column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=10, color=INK
            )


def _own_against_others(cross: CrossEvaluation, matrix: np.ndarray) -> str:
    own = np.diag(matrix)
    others = matrix[~np.eye(len(matrix), dtype=bool)]
    parts = [f"round {cross.round}"]
    if not np.isnan(own).all():
        parts.append(f"own data {readable.percent(float(np.nanmean(own)), 1)} on average")
    if len(others) and not np.isnan(others).all():
        parts.append(f"others' data {readable.percent(float(np.nanmean(others)), 1)}")
    return ", ".join(parts)


def _clients(count: int) -> str:
    return "one client's" if count == 1 else f"{readable.count(count)} clients'"
