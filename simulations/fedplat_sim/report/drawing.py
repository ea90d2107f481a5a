"""The one style of every chart: matplotlib's SVG made fit for a light and a dark page.

Charts are drawn in the light palette; in the SVG each of its colours becomes a CSS variable, which
the stylesheet gives a second value for dark screens.  One point of a chart is one pixel of a page.
"""

import io
import re
import warnings
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fedplat.telemetry import readable
from fedplat_sim.report.markup import Html

INK, MUTED, GRID, CARD = "#1d2433", "#667289", "#e3e7ee", "#fefefe"
BLUE, ORANGE, GREEN, VIOLET, RED = "#2f6fdd", "#e07a34", "#2b9c6c", "#8b5fcf", "#d0485c"
TEAL, GOLD, PINK, OLIVE, SLATE = "#189fb4", "#c3981d", "#c9599c", "#7b8f38", "#6d7c92"
SERIES = (BLUE, ORANGE, GREEN, VIOLET, RED, TEAL, GOLD, PINK, OLIVE, SLATE)
_DARK = {
    INK: "#e5e9f0",
    MUTED: "#94a0b4",
    GRID: "#2c3546",
    CARD: "#171d29",
    BLUE: "#6aa3f8",
    ORANGE: "#f29b61",
    GREEN: "#56c596",
    VIOLET: "#b394ec",
    RED: "#f07d8d",
    TEAL: "#57c7d9",
    GOLD: "#e0bd55",
    PINK: "#e78fc3",
    OLIVE: "#a7bd63",
    SLATE: "#a0aec3",
}
_NAMES = {colour: f"--c{index}" for index, colour in enumerate(_DARK)}
STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": MUTED,
    "axes.labelsize": 11,
    "axes.linewidth": 1,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.dpi": 72,
    "figure.facecolor": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "grid.color": GRID,
    "grid.linewidth": 1,
    "lines.linewidth": 2,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.color": MUTED,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
}


def variable(colour: str) -> str:
    """The CSS that shows `colour`, light or dark."""
    return f"var({_NAMES[colour]})"


def variables(dark: bool) -> str:
    """The palette as declarations of a stylesheet."""
    return "".join(f"{_NAMES[c]}:{_DARK[c] if dark else c};" for c in _DARK)


def series(index: int) -> str:
    """The colour of the series of that index; they repeat after ten."""
    return SERIES[index % len(SERIES)]


def draw(
    name: str,
    label: str,
    paint: Callable[[Axes], None],
    width: int = 500,
    height: int = 240,
    margins: tuple[int, int, int, int] = (10, 14, 38, 56),
) -> Html:
    """Draws one chart as inline SVG.

    `name` is unique on a page: it salts the identifiers within.  `label` says in words what is
    seen.  Units: pixels; `margins` are top, right, bottom, left of the axes.
    Guarantees: the same chart is the same bytes, and a name occurs once on a page.
    """
    top, right, bottom, left = margins
    settings: Any = {**STYLE, "svg.hashsalt": name}
    with mpl.rc_context(settings), warnings.catch_warnings():
        # The page's own fonts draw the text; matplotlib's only measures it.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure = Figure(figsize=(width / 72, height / 72))
        box = (left / width, bottom / height, 1 - (left + right) / width)
        axes = figure.add_axes((*box, 1 - (top + bottom) / height))
        paint(axes)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return Html(_for_page(buffer.getvalue(), label))


def _for_page(svg: str, label: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    view = re.search(r'viewBox="[^"]*"', svg)
    opening = f'<svg {view.group() if view else ""} role="img" aria-label="{escape(label)}"'
    svg = re.sub(r"<svg[^>]*", opening, svg, count=1)
    used = set(re.findall(r"#([\w.-]+)", svg))
    svg = re.sub(r' id="([^"]*)"', lambda m: m.group() if m.group(1) in used else "", svg)
    for colour, name in _NAMES.items():
        svg = svg.replace(colour, f"var({name})")
    return re.sub(r">\s+<", "><", svg).strip()


def bars(
    axes: Axes,
    centres: Sequence[float] | np.ndarray,
    bottoms: np.ndarray,
    tops: np.ndarray,
    colour: str,
    width: float = 0.8,
) -> None:
    """Draws one bar a centre, all as one collection: thousands of them stay quick."""
    x = np.asarray(centres, dtype=float)
    low, high = x - width / 2, x + width / 2
    corners = np.stack(
        [np.stack([low, high, high, low], 1), np.stack([bottoms, bottoms, tops, tops], 1)], axis=2
    )  # (bars, 4, 2)
    axes.add_collection(PolyCollection(list(corners[tops != bottoms]), facecolors=colour, lw=0))


def rounds_axis(axes: Axes, first: float, last: float, label: str = "round") -> None:
    """Whole rounds along x."""
    axes.set_xlim(first, last if last > first else first + 1)
    axes.xaxis.set_major_locator(
        MaxNLocator(nbins=10, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: readable.count(round(value))))
    axes.set_xlabel(label)


def y_axis(axes: Axes, show: Callable[[float], str], nbins: int = 5) -> None:
    """Says how numbers along y are read."""
    axes.yaxis.set_major_locator(MaxNLocator(nbins=nbins, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: show(value)))


def tick_percent(value: float) -> str:
    """A fraction as a tick: as many digits as it needs."""
    return f"{100 * value:.4g} %".replace("-", readable.MINUS)


def tick_number(value: float) -> str:
    """A plain number as a tick."""
    return f"{value:.4g}".replace("-", readable.MINUS)


def tick_seconds(value: float) -> str:
    """Seconds as a tick."""
    return f"{value:.3g} s"
