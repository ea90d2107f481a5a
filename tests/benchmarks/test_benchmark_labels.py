"""Names in a picture can be read: none over another, over a point or over the edge."""

from itertools import combinations

import matplotlib
import pytest

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.transforms import Bbox

from benchmarks.coding import labels
from benchmarks.coding.labels import Label

CROWD = [Label(f"a codec, step {i}", 0.5 + i / 100, 0.5, (0.0, 0.0, 0.0)) for i in range(12)]


@pytest.fixture
def axes():
    figure, axes = pyplot.subplots(figsize=(9, 6))
    yield axes
    pyplot.close(figure)


def put(axes, names, taken=()):
    return labels.put(axes, names, taken)


def test_names_of_points_that_are_close_do_not_overlap(axes):
    for one, other in combinations(put(axes, CROWD), 2):
        assert not one.overlaps(other)


def test_a_name_at_the_edge_stands_inside(axes):
    names = [Label("a name at the edge", x, y, (0.0, 0.0, 0.0)) for x in (0, 1) for y in (0, 1)]
    for box in put(axes, names):
        assert axes.bbox.x0 < box.x0 < box.x1 < axes.bbox.x1
        assert axes.bbox.y0 < box.y0 < box.y1 < axes.bbox.y1


def test_what_is_taken_is_kept_off_and_else_the_name_stands_there(axes):
    (free,) = put(axes, CROWD[:1])
    (moved,) = put(axes, CROWD[:1], [free])
    assert not moved.overlaps(free)


def test_a_line_leads_to_a_point_only_where_its_name_is_far(axes):
    put(axes, CROWD)
    lines = [text.arrow_patch is not None for text in axes.texts]
    assert not lines[0]
    assert any(lines)


def test_a_name_that_finds_no_room_is_written_all_the_same(axes):
    assert len(put(axes, CROWD[:1], [Bbox.from_bounds(0, 0, 5000, 5000)])) == 1
    assert axes.texts[0].get_text() == CROWD[0].text
