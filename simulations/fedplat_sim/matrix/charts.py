"""The heat maps of a matrix: one a rule, all in the same colours."""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fedplat_sim.matrix import tables
from fedplat_sim.matrix.results import Box, Results
from fedplat_sim.report.cards import Card, Key
from fedplat_sim.report.drawing import BLUE, CARD, INK, MUTED, RED, STYLE, draw

LETTER = 5.6  # pixels a letter of the small print
ROW, NARROW, WIDE = 46, 84, 150  # pixels of a box
TOP, BOTTOM, GAP = 34, 40, 18
LEAST, WIDEST = 400, 1100  # pixels of a card's chart, and of the picture
LONGEST = 24  # letters of an attack's name in a box
Span = tuple[float, float]


def heat_maps(results: Results) -> list[Card]:
    """A card a rule: rows of heterogeneity, columns of liars, the worst attack in small print."""
    span = _span(results)
    width, height = _size(results)
    left = _left(results)
    cards = []
    for rule in results.matrix.rules:

        def paint(axes: Axes, rule: str = rule) -> None:
            _paint(axes, results, rule, span)

        label = f"{results.measure.title} under {rule}: {_in_words(results.of(rule), results)}"
        whole = max(LEAST, left + width + 8)  # narrow ones are not blown up
        margins = (6, whole - left - width, BOTTOM, left)
        chart = draw(f"heat {rule}", label, paint, whole, height + BOTTOM + 6, margins)
        cards.append(Card(rule, (chart,), note=_note(results)))
    return cards


def colours(results: Results) -> list[Key]:
    """What the colours say."""
    low, high = _span(results)
    if results.measure.kind != "share":
        return [Key(f"{results.measure.title}: {low:.3g} (pale) to {high:.3g}", RED)]
    return [Key("100 %, paler towards 50 %", BLUE), Key("0 %, paler towards 50 %", RED)]


def save(results: Results, path: Path) -> None:
    """Draws all heat maps side by side into one picture, of the kind that the name's end says.

    Guarantees: the same results are the same bytes.
    """
    rules, span = list(results.matrix.rules), _span(results)
    width, height = _size(results)
    left = _left(results)
    rows = -(-len(rules) // max(1, WIDEST // (left + width)))
    columns = -(-len(rules) // rows)
    whole = columns * (left + width + GAP), rows * (TOP + height + BOTTOM) + 8
    settings: Any = {**STYLE, "svg.hashsalt": results.matrix.name, "savefig.facecolor": CARD}
    with mpl.rc_context(settings):
        figure = Figure(figsize=(whole[0] / 72, whole[1] / 72))
        for index, rule in enumerate(rules):
            x = (index % columns) * (left + width + GAP) + left
            y = (index // columns) * (TOP + height + BOTTOM) + TOP
            box = (x / whole[0], 1 - (y + height) / whole[1], width / whole[0], height / whole[1])
            axes = figure.add_axes(box)
            _paint(axes, results, rule, span)
            axes.set_title(rule, loc="left", color=INK, fontsize=12, fontweight="bold")
        _write(figure, path)


def _write(figure: Figure, path: Path) -> None:
    kind = path.suffix.removeprefix(".")
    empty = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=144, metadata=empty)
    beside = path.with_name(f".{path.name}.tmp")
    beside.write_bytes(buffer.getvalue())
    os.replace(beside, path)


def _paint(axes: Axes, results: Results, rule: str, span: Span) -> None:
    matrix = results.matrix
    axes.grid(visible=False)
    for box in results.of(rule):
        _paint_box(axes, matrix.byzantine.index(box.liars), box, results, span)
    axes.set_xlim(0, len(matrix.byzantine))
    axes.set_ylim(len(matrix.values), 0)
    places = [place + 0.5 for place in range(len(matrix.byzantine))]
    axes.set_xticks(places, [str(liars) for liars in matrix.byzantine], color=INK)
    axes.set_xlabel(f"liars beside {matrix.honest} honest clients")
    names = [tables.row_name(results, row) for row in range(len(matrix.values))]
    axes.set_yticks([row + 0.5 for row in range(len(names))], names, color=INK)
    axes.spines[:].set_visible(False)


def _paint_box(axes: Axes, column: int, box: Box, results: Results, span: Span) -> None:
    corner, size = (column + 0.02, box.row + 0.03), (0.96, 0.94)
    middle = column + 0.5, box.row + 0.5
    if box.worst.score is None:
        frame = Rectangle(corner, *size, facecolor="none", edgecolor=MUTED, linewidth=0.8)
        frame.set_hatch("////" if box.state == "failed" else "")
        frame.set_alpha(0.45)
        axes.add_patch(frame)
        ground = {"facecolor": CARD, "edgecolor": "none", "pad": 2}
        axes.text(*middle, box.state, ha="center", va="center", color=INK, bbox=ground)
        return
    colour, opacity = _colour(box.worst.score.mean, span, results.measure.kind == "share")
    axes.add_patch(Rectangle(corner, *size, facecolor=colour, alpha=opacity, linewidth=0))
    shown = tables.number(box.worst, results.measure.name)
    small = _short(box.worst.place.attack) if len(box.outcomes) > 1 else ""
    above = (middle[0], box.row + (0.40 if small else 0.5))
    axes.text(*above, shown, ha="center", va="center", fontsize=14, fontweight="bold", color=INK)
    axes.text(middle[0], box.row + 0.76, small, ha="center", va="center", fontsize=9, color=INK)


def _colour(value: float, span: Span, is_share: bool) -> tuple[str, float]:
    """A colour and its opacity; a share is blue above one half and red below."""
    low, high = span
    if not is_share:
        return RED, 0.06 + 0.64 * (value - low) / ((high - low) or 1.0)
    far = abs(value - 0.5) / 0.5
    return (BLUE if value >= 0.5 else RED), 0.05 + 0.65 * far


def _span(results: Results) -> Span:
    found = [box.worst.score.mean for box in results.boxes if box.worst.score]
    return (min(found), max(found)) if found else (0.0, 1.0)


def _size(results: Results) -> tuple[int, int]:
    """The pixels that the boxes of one rule take."""
    letters = max(len(_short(attack)) for attack in results.attacks)
    wide = round(min(WIDE, max(NARROW, 16 + LETTER * letters)))
    return wide * len(results.matrix.byzantine), ROW * len(results.matrix.values)


def _left(results: Results) -> int:
    """The pixels that the names of the rows take."""
    rows = range(len(results.matrix.values))
    letters = max(len(tables.row_name(results, row)) for row in rows)
    return round(min(240, 14 + 6.8 * letters))


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _note(results: Results) -> str:
    many = len(results.matrix.seeds)
    over = f"mean over {many} seeds, " if many > 1 else ""
    return f"{results.measure.title} after the last round, {over}under the attack that does most"


def _in_words(boxes: Sequence[Box], results: Results) -> str:
    """A heat map for who can not see it."""
    return "; ".join(
        f"{tables.row_name(results, box.row)} f {box.liars}: "
        f"{tables.number(box.worst, results.measure.name)} ({box.worst.place.attack})"
        for box in boxes
    )
