"""A measured cell is measured once, and again as soon as something that it depends on changes."""

import subprocess
import sys

import pytest

from benchmarks.simulation import cells, process
from benchmarks.simulation.cells import Cells


class Counted:
    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return {"seconds": float(self.calls)}


def test_a_stored_cell_is_not_measured_again(tmp_path):
    measure = Counted()
    first = Cells(tmp_path, "stamp").get("cnn-1", {"rounds": 3}, measure)
    again = Cells(tmp_path, "stamp").get("cnn-1", {"rounds": 3}, measure)
    assert (first, again, measure.calls) == ({"seconds": 1.0}, {"seconds": 1.0}, 1)


@pytest.mark.parametrize(("stamp", "rounds"), [("other", 3), ("stamp", 4)])
def test_another_stamp_or_another_spec_measures_again(tmp_path, stamp, rounds):
    measure = Counted()
    Cells(tmp_path, "stamp").get("cnn-1", {"rounds": 3}, measure)
    assert Cells(tmp_path, stamp).get("cnn-1", {"rounds": rounds}, measure) == {"seconds": 2.0}


def test_a_truncated_cell_is_measured_again(tmp_path):
    measure = Counted()
    store = Cells(tmp_path, "stamp")
    store.get("cnn-1", {}, measure)
    path = tmp_path / "cnn-1.json"
    path.write_text(path.read_text()[:20])
    assert store.get("cnn-1", {}, measure) == {"seconds": 2.0}


def test_a_measurement_that_fails_stores_nothing(tmp_path):
    def fails():
        raise process.MeasurementError("no")

    with pytest.raises(process.MeasurementError):
        Cells(tmp_path, "stamp").get("cnn-1", {}, fails)
    assert list(tmp_path.iterdir()) == []


def test_a_stamp_depends_on_every_part_and_on_their_order():
    assert cells.stamp("a", "b") == cells.stamp("a", "b")
    assert len({cells.stamp("a", "b"), cells.stamp("b", "a"), cells.stamp("a", {"b": 1})}) == 3


# ── processes ────────────────────────────────────────────────────────────────────────────────────


def run(script, **options):
    return process.measure(
        [sys.executable, "-c", script],
        {},
        cwd=options.pop("cwd"),
        timeout_s=options.pop("timeout", 20),
    )


def test_the_answer_is_the_last_json_object_among_other_output(tmp_path):
    measured = run("print('noise'); print('{\"a\": 1}'); print('more')", cwd=tmp_path)
    assert measured.answer == {"a": 1}


def test_the_peak_counts_the_memory_of_children_too():
    child = "b = b'x' * 80_000_000; print('ready', flush=True); input()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        running.stdout.readline()
        with process.MemoryWatch(running.pid) as memory:
            pass
        running.communicate(b"\n")
    assert memory.peak_mib is None or memory.peak_mib > 76


def test_a_process_that_fails_is_told_with_its_last_words(tmp_path):
    with pytest.raises(process.MeasurementError, match=r"exit code 1.*KeyError"):
        run("{}['x']", cwd=tmp_path)


def test_a_process_without_an_answer_is_an_error(tmp_path):
    with pytest.raises(process.MeasurementError, match="no answer: noise"):
        run("print('noise')", cwd=tmp_path)


def test_a_process_that_takes_too_long_is_ended_with_its_children(tmp_path):
    script = "import subprocess; subprocess.run(['sleep', '60'])"
    with pytest.raises(process.MeasurementError, match="more than 1 s"):
        run(script, cwd=tmp_path, timeout=1)
