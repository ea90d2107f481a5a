"""A matrix's page and pictures: whole, safe, and the same bytes for the same results."""

from sim.small_matrix import KEYS, loaded, records
from test_report import Outline

from fedplat_sim.matrix import charts
from fedplat_sim.matrix.page import page
from fedplat_sim.matrix.results import gather


def test_the_page_and_the_pictures_are_whole_and_the_same_each_time(tmp_path):
    matrix = loaded(tmp_path, **KEYS)
    told = records(matrix)
    told[0] = {**told[0], "state": "failed", "reason": "<b>broken</b>", "measures": {}}
    results = gather(matrix, told, {})
    made = page(results, told)
    assert made == page(results, told)
    read = Outline(made)
    assert read.open == [] and read.references == []
    assert "<b>broken" not in made and "1 runs failed" in read.text
    assert read.elements.count("svg") == 2
    for kind, begins in (("svg", b"<?xml"), ("png", b"\x89PNG")):
        paths = [tmp_path / f"{name}.{kind}" for name in "ab"]
        for path in paths:
            charts.save(results, path)
        first, second = (path.read_bytes() for path in paths)
        assert first == second and first.startswith(begins)
    assert not list(tmp_path.glob(".*.tmp"))
