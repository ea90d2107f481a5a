"""What the run cost: bytes, seconds by phase, and the clients that were asked in vain."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from fedplat.telemetry import readable
from fedplat.telemetry.records import Round
from fedplat_sim.report.cards import Card, Key
from fedplat_sim.report.curves import Line
from fedplat_sim.report.drawing import (
    BLUE,
    GREEN,
    MUTED,
    ORANGE,
    RED,
    SERIES,
    VIOLET,
    bars,
    draw,
    rounds_axis,
    tick_number,
    tick_seconds,
    y_axis,
)
from fedplat_sim.report.run import Run

BARS = 100  # more rounds than this are drawn as means of equally long stretches
PHASES = {"train": BLUE, "aggregate": ORANGE, "evaluate": GREEN, "commit": VIOLET}


def traffic(run: Run) -> list[Card]:
    """Bytes per round, and so far; none, if nothing was sent."""
    if not run.bytes_up + run.bytes_down:
        return []
    up = [float(one.bytes_up) for one in run.rounds]
    down = [float(one.bytes_down) for one in run.rounds]
    keys = [
        Key(f"up {readable.size(run.bytes_up)}", BLUE),
        Key(f"down {readable.size(run.bytes_down)}", ORANGE),
    ]
    per_round = stacked(
        "Bytes per round", run.rounds, {"up": up, "down": down}, [BLUE, ORANGE], keys, readable_size
    )
    return [per_round, _cumulative(run, up, down)]


def time(run: Run) -> Card | None:
    """Seconds per round by phase; what no phase accounts for is `other`."""
    if not any(one.seconds for one in run.rounds):
        return None
    phases = _phases(run.rounds)
    spare = (MUTED, *SERIES[4:])
    strange = [name for name in phases if name not in PHASES]
    colours = [PHASES.get(name) or spare[strange.index(name) % len(spare)] for name in phases]
    known = sum(sum(values) for values in phases.values()) or 1.0
    keys = [
        Key(f"{name} {readable.duration(sum(values))} ({sum(values) / known:.0%})", colour)
        for (name, values), colour in zip(phases.items(), colours, strict=True)
    ]
    return stacked("Time by phase", run.rounds, phases, colours, keys, tick_seconds)


def participation(run: Run) -> Card | None:
    """What became of the clients that were asked."""
    if not any(one.asked for one in run.rounds):
        return None
    counts = {
        "accepted": [float(one.accepted) for one in run.rounds],
        "dropped": [float(one.dropped) for one in run.rounds],
        "late": [float(one.late) for one in run.rounds],
        "refused": [float(one.refused) for one in run.rounds],
    }
    answered = np.sum(list(counts.values()), axis=0)
    asked = np.array([one.asked for one in run.rounds], dtype=float)
    counts["not needed"] = list(np.maximum(asked - answered, 0.0))
    colours = [GREEN, ORANGE, VIOLET, RED, SERIES[9]]
    shown = {name: values for name, values in counts.items() if any(values)}
    inks = [ink for name, ink in zip(counts, colours, strict=True) if name in shown]
    keys = [
        Key(f"{name} {readable.count(round(sum(values)))}", ink)
        for (name, values), ink in zip(shown.items(), inks, strict=True)
    ]
    return stacked("Clients asked", run.rounds, shown, inks, keys, tick_number)


def stacked(
    title: str,
    rounds: Sequence[Round],
    layers: Mapping[str, Sequence[float]],
    colours: Sequence[str],
    keys: Sequence[Key],
    show: Callable[[float], str],
) -> Card:
    """Bars per round, one layer upon another; means of stretches where there are many rounds."""
    numbers = np.array([one.round for one in rounds], dtype=float)
    stretch = -(-len(numbers) // BARS)
    at = _means(numbers, stretch)

    def paint(axes: Axes) -> None:
        bottom = np.zeros(len(at))
        for colour, values in zip(colours, layers.values(), strict=True):
            top = bottom + _means(np.array(values), stretch)
            bars(axes, at, bottom, top, colour, 0.8 * stretch)
            bottom = top
        axes.set_ylim(0, float(bottom.max()) * 1.06 or 1.0)
        y_axis(axes, show)
        rounds_axis(axes, at[0] - 0.6 * stretch, at[-1] + 0.6 * stretch)

    note = f"each bar is the mean of {stretch} rounds" if stretch > 1 else "per round"
    margins = (10, 14, 38, 62)
    return Card(title, (draw(title, title, paint, margins=margins),), keys, note)


def readable_size(value: float) -> str:
    """Bytes as a tick."""
    return readable.size(round(value)).replace(".00 ", " ").replace(".0 ", " ")


def _cumulative(run: Run, up: Sequence[float], down: Sequence[float]) -> Card:
    numbers = [one.round for one in run.rounds]
    lines = [
        Line("up", BLUE, list(zip(numbers, np.cumsum(up).tolist(), strict=True))),
        Line("down", ORANGE, list(zip(numbers, np.cumsum(down).tolist(), strict=True))),
        Line("both", MUTED, list(zip(numbers, np.cumsum(np.add(up, down)).tolist(), strict=True))),
    ]

    def paint(axes: Axes) -> None:
        for line in reversed(lines):
            x, y = zip(*line.points, strict=True)
            axes.plot(x, y, color=line.colour, marker="o" if len(x) == 1 else "")
        axes.set_ylim(bottom=0)
        y_axis(axes, readable_size)
        room = 0.02 * (numbers[-1] - numbers[0]) or 0.5
        rounds_axis(axes, numbers[0] - room, numbers[-1] + room)

    chart = draw("bytes so far", "bytes so far", paint, margins=(10, 14, 38, 62))
    total = readable.size(run.bytes_up + run.bytes_down)
    return Card("Bytes so far", (chart,), [line.key for line in lines], f"{total} in all")


def _phases(rounds: Sequence[Round]) -> dict[str, list[float]]:
    spent = [dict(one.seconds or {}) for one in rounds]
    names = [name for name in PHASES if any(name in one for one in spent)]
    names += sorted({name for one in spent for name in one} - {*PHASES, "total"})
    phases = {name: [one.get(name) or 0.0 for one in spent] for name in names}
    known = np.sum(list(phases.values()), axis=0) if phases else np.zeros(len(rounds))
    totals = np.array([one.get("total") or 0.0 for one in spent])
    other = np.maximum(totals - known, 0.0)
    if other.sum() > 0.005 * max(float(totals.sum()), 1e-12):
        phases["other"] = other.tolist()
    return phases


def _means(values: np.ndarray, stretch: int) -> np.ndarray:
    starts = np.arange(0, len(values), stretch)
    lengths = np.diff([*starts, len(values)])
    return np.add.reduceat(values, starts) / lengths
