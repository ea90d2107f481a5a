"""The charts of a sweep: final figures, paired differences, curves over rounds, the search."""

from collections.abc import Callable, Iterable, Sequence

from matplotlib.axes import Axes

from fedplat.telemetry import readable
from fedplat_sim.report.cards import Card, Key
from fedplat_sim.report.drawing import (
    CARD,
    INK,
    MUTED,
    draw,
    rounds_axis,
    series,
    tick_number,
    tick_percent,
)
from fedplat_sim.sweep.cells import Point, words
from fedplat_sim.sweep.intervals import Estimate
from fedplat_sim.sweep.results import Results, Row
from fedplat_sim.sweep.selection import Choice

ROW = 34  # pixels a row of a chart of intervals
LETTER = 6.6  # pixels a letter of a label
Span = tuple[float, float]


def finals(results: Results) -> list[Card]:
    """Every arm's figure: its seeds, their mean, and the mean's interval; a card a point."""
    name = results.measure.name
    found = [row.estimate(name) for row in results.rows]
    seen = [v for row in results.rows for v in row.values.get(name, {}).values()]
    span = _span([*seen, *_ends(found)])
    if results.measure.kind == "share":
        span = max(span[0], -0.02), min(span[1], 1.02)
    cards = []
    for point in results.points:
        rows = results.at(point)

        def paint(axes: Axes, rows: Sequence[Row] = rows) -> None:
            for y, row in enumerate(rows):
                colour = series(y)
                values = list(row.values.get(name, {}).values())
                axes.plot(values, [y + 0.27] * len(values), "o", color=colour, alpha=0.45, ms=6)
                _interval(axes, y, row.estimate(name), colour)
            _rows_axis(axes, rows, span, _tick(results))

        label = f"{results.measure.title} by arm, {words(point)}"
        note = f"each seed, the mean, and its 95 % interval · {results.measure.what}"
        chart = _rows_chart(f"final {words(point)}", label, paint, rows)
        cards.append(Card(words(point) or _title(results), (chart,), note=note))
    return cards


def differences(results: Results) -> list[Card]:
    """Every arm's paired difference to the first, with its interval; a card a point."""
    name, first = results.measure.name, results.rows[0].arm
    known = [(row.differences or {}).get(name) for row in results.rows]
    span = _span([0.0, *_ends(known)])
    cards = []
    for point in results.points:
        rows = [row for row in results.at(point) if row.differences is not None]
        if not rows:
            continue

        def paint(axes: Axes, rows: Sequence[Row] = rows) -> None:
            axes.axvline(0, color=INK, linewidth=1.2)
            for y, row in enumerate(rows):
                _interval(axes, y, (row.differences or {}).get(name), series(y + 1))
            _rows_axis(axes, rows, span, _difference_tick(results))

        unit = " in points" if results.measure.kind == "share" else ""
        note = f"arm minus {first}{unit}, seed by seed: the mean and its 95 % interval"
        chart = _rows_chart(f"difference {words(point)}", note, paint, rows)
        cards.append(Card(words(point) or f"Difference to {first}", (chart,), note=note))
    return cards


def curves(results: Results) -> list[Card]:
    """Test figures over rounds: the mean over seeds, and the band that all seeds lie in."""
    bands = [_band(row) for row in results.rows]
    span = _span([y for band in bands for _, *ys in band for y in ys])
    cards = []
    for point in results.points:
        rows = [row for row in results.at(point) if _band(row)]
        if not rows:
            continue

        def paint(axes: Axes, point: Point = point) -> None:
            for index, row in enumerate(results.at(point)):
                _paint_band(axes, _band(row), series(index))
            last = max((x for row in results.at(point) for x, *_ in _band(row)), default=1)
            axes.set_ylim(*span)
            _ticks(axes.yaxis, _curve_tick(results))
            rounds_axis(axes, 0, last * 1.02)

        keys = [
            Key(row.arm, series(index), "line")
            for index, row in enumerate(results.at(point))
            if row in rows
        ]
        what = "RMSE" if "rmse" in results.measure.name else "Accuracy"
        title = words(point) or f"{what} over rounds"
        note = "of the global model on the held-out test set: mean over seeds, band of all seeds"
        chart = draw(f"curve {words(point)}", f"{what} over rounds, {words(point)}", paint)
        cards.append(Card(title, (chart,), keys, note))
    return cards


def searches(choices: Sequence[Choice], by: str) -> list[Card]:
    """What validation said of each value, where every arm tuned one and the same number."""
    keys = {tuple(key for key, _ in trial.tuned) for one in choices for trial in one.trials}
    if len(keys) != 1 or len(next(iter(keys))) != 1:
        return []
    key = next(iter(keys))[0]
    values = [trial.tuned[0][1] for one in choices for trial in one.trials]
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        return []
    scores = [t.score.mean for one in choices for t in one.trials if t.score]
    if len(set(values)) < 2 or not scores:
        return []
    is_log = min(values) > 0 and max(values) > 5 * min(values)
    arms = list(dict.fromkeys(one.arm for one in choices))
    cards = []
    for point in dict.fromkeys(one.point for one in choices):
        here = [one for one in choices if one.point == point]

        def paint(axes: Axes, here: Sequence[Choice] = here) -> None:
            for one in here:
                _paint_search(axes, one, series(arms.index(one.arm)))
            if is_log:
                axes.set_xscale("log")
            axes.set_xticks(sorted(set(values)), [f"{v:g}" for v in sorted(set(values))])
            axes.minorticks_off()
            axes.set_xlabel(key)
            axes.set_ylim(*_span(scores))
            _ticks(axes.yaxis, tick_percent if "accuracy" in by else tick_number)

        legend = [Key(one.arm, series(arms.index(one.arm)), "line") for one in here]
        note = f"{by} by {key}; the ring is the choice"
        chart = draw(f"search {words(point)}", f"{note}, {words(point)}", paint, height=200)
        cards.append(Card(words(point) or f"Choice of {key}", (chart,), legend, note))
    return cards


def _paint_search(axes: Axes, choice: Choice, colour: str) -> None:
    found = sorted((t.tuned[0][1], t.score.mean) for t in choice.trials if t.score)
    if not found:
        return
    axes.plot(*zip(*found, strict=True), color=colour, marker="o", markersize=5)
    if choice.best is not None and choice.best.score is not None:
        at = choice.best.tuned[0][1], choice.best.score.mean
        axes.plot(*at, "o", color=colour, markersize=12, fillstyle="none", markeredgewidth=2)


def _paint_band(axes: Axes, band: Sequence[tuple[float, ...]], colour: str) -> None:
    if not band:
        return
    x, mean, low, high = zip(*band, strict=True)
    axes.fill_between(x, low, high, color=colour, alpha=0.14, linewidth=0)
    axes.plot(x, mean, color=colour)
    axes.plot(x[-1], mean[-1], "o", color=colour, markersize=6, markeredgecolor=CARD)


def _band(row: Row) -> list[tuple[float, ...]]:
    """Round, mean, lowest and highest, of the rounds that every seed has."""
    curves = [dict(points) for points in row.curves.values()]
    shared = sorted(set.intersection(*(set(one) for one in curves))) if curves else []
    found: list[tuple[float, ...]] = []
    for number in shared:
        values = [one[number] for one in curves]
        found.append((number, sum(values) / len(values), min(values), max(values)))
    return found


def _interval(axes: Axes, y: float, found: Estimate | None, colour: str) -> None:
    if found is None:
        axes.text(0.02, y, "no result", color=MUTED, transform=axes.get_yaxis_transform())
        return
    if found.low is not None and found.high is not None:
        axes.plot([found.low, found.high], [y, y], color=colour, linewidth=3, alpha=0.8)
        for end in (found.low, found.high):
            axes.plot([end, end], [y - 0.13, y + 0.13], color=colour, linewidth=2)
    axes.plot(found.mean, y, "D", color=colour, markersize=8, markeredgecolor=CARD)


def _rows_axis(axes: Axes, rows: Sequence[Row], span: Span, show: Callable[[float], str]) -> None:
    axes.set_yticks(range(len(rows)), [row.arm for row in rows], color=INK)
    axes.set_ylim(len(rows) - 0.35, -0.5)
    axes.set_xlim(*span)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    _ticks(axes.xaxis, show)


def _rows_chart(name: str, label: str, paint: Callable[[Axes], None], rows: Sequence[Row]):  # type: ignore[no-untyped-def]
    longest = max(len(row.arm) for row in rows)
    left = round(min(220, 16 + LETTER * longest))
    height = 40 + ROW * max(2, len(rows))
    return draw(name, label, paint, height=height, margins=(8, 16, 28, left))


def _ticks(axis, show: Callable[[float], str]) -> None:  # type: ignore[no-untyped-def]
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: show(value)))


def _tick(results: Results) -> Callable[[float], str]:
    return tick_percent if results.measure.kind == "share" else tick_number


def _curve_tick(results: Results) -> Callable[[float], str]:
    return tick_number if "rmse" in results.measure.name else tick_percent


def _difference_tick(results: Results) -> Callable[[float], str]:
    scale = 100 if results.measure.kind == "share" else 1
    return lambda value: f"{scale * value:+.3g}".replace("-", readable.MINUS).replace("+0", "0")


def _title(results: Results) -> str:
    title = results.measure.title
    return title if title.isupper() else title[0].upper() + title[1:]


def _ends(found: Iterable[Estimate | None]) -> list[float]:
    ends = [end for one in found if one for end in (one.low, one.mean, one.high)]
    return [end for end in ends if end is not None]


def _span(values: Sequence[float]) -> Span:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = 0.06 * (high - low) or max(abs(high), 1e-9) * 0.05
    return low - room, high + room
