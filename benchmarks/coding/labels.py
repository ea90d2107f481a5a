"""Names beside points of a picture: none over another, over a point or over the edge."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, pi, sin

from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

DIRECTIONS = 32
NEAREST, STEP, FARTHEST = 7, 3, 200  # points from the point to the name
BESIDE = 12  # points: where it is farther, a line leads from the name to its point
GAP = 2  # pixels around a name


@dataclass(frozen=True)
class Label:
    """A name, the point that it is of, and its colour."""

    text: str
    x: float
    y: float
    colour: tuple[float, ...]


def put(axes: Axes, labels: Sequence[Label], taken: Sequence[Bbox]) -> list[Bbox]:
    """Writes each name as near to its point as there is room, in the order given.

    `taken` are what names keep off, in pixels; returned is where they stand.  A name that finds no
    room stands beside its point all the same.
    """
    found: list[Bbox] = []
    for label in labels:
        text = axes.text(0, 0, label.text, fontsize=8, color=label.colour, transform=None)
        size = text.get_window_extent()
        x, y = axes.transData.transform((label.x, label.y))
        place, far = _place(size, (x, y), axes.bbox, [*taken, *found], axes.figure.dpi / 72)
        text.remove()
        _write(axes, label, size, place, far)
        found.append(place)
    return found


def _place(
    size: Bbox, at: tuple[float, float], edge: Bbox, held: Sequence[Bbox], point: float
) -> tuple[Bbox, bool]:
    """The first place that is free, and whether it is so far that a line has to lead there."""
    for away, x, y in _ways():
        centre = (
            at[0] + x * (away * point + size.width / 2),
            at[1] + y * (away * point + size.height / 2),
        )
        box = Bbox.from_bounds(
            centre[0] - size.width / 2, centre[1] - size.height / 2, size.width, size.height
        )
        inside = edge.x0 < box.x0 - GAP and box.x1 + GAP < edge.x1
        inside = inside and edge.y0 < box.y0 - GAP and box.y1 + GAP < edge.y1
        if inside and not box.padded(GAP).count_overlaps(held):
            return box, away > BESIDE
    return Bbox.from_bounds(at[0], at[1], size.width, size.height), False


def _ways() -> Iterator[tuple[int, float, float]]:
    """Distances, and at each all directions, from the right on, alternately up and down."""
    for away in range(NEAREST, FARTHEST, STEP):
        for turn in range(DIRECTIONS):
            angle = (turn + 1) // 2 * (1 if turn % 2 else -1) * 2 * pi / DIRECTIONS
            yield away, cos(angle), sin(angle)


def _write(axes: Axes, label: Label, size: Bbox, place: Bbox, far: bool) -> Text:
    """The name with its middle where the place's is; with a line, if it is far."""
    middle = axes.transData.inverted().transform(
        ((place.x0 + place.x1) / 2, (place.y0 + place.y1) / 2)
    )
    line = {"arrowstyle": "-", "lw": 0.5, "color": label.colour, "shrinkA": 1, "shrinkB": 3}
    return axes.annotate(
        label.text,
        (label.x, label.y),
        xytext=(float(middle[0]), float(middle[1])),
        fontsize=8,
        color=label.colour,
        ha="center",
        va="center",
        arrowprops=line if far else None,
    )
