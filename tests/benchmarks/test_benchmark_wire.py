"""What `benchmarks.wire` says of what it has measured."""

import pytest

from benchmarks import wire
from benchmarks.figures import Report
from benchmarks.transport import arrival, control

MEASURED = {
    "idle": {"sessions_mb": 130.0, "core": 0.2, "lost": 0},
    "calls": {"ours": [95.0, 80.0, 90.0], "empty": [100.0, 100.0, 100.0], "bytes": 27},
    "arrival": {"peak_bytes": 310, "model_bytes": 100},
    "rounds-plain": {"rounds_ms": [24.0, 26.0, 99.0], "fsync_ms": 0.5},
    "rounds-tls": {"rounds_ms": [30.0], "fsync_ms": 0.5},
}


class Stored:
    """Cells that were all measured before."""

    def get(self, name, spec, measure):
        return MEASURED[name]


def figures(part, folder):
    report = Report("wire", {}, ("benchmarks/wire.py",))
    control.PARTS[part](control.QUICK, Stored(), report, folder)
    return {one.id: one for one in report.figures}


@pytest.mark.parametrize(
    ("part", "name", "value", "is_met"),
    [
        ("idle", "wire.idle_1000_mb", 130.0, True),
        ("idle", "wire.idle_1000_core", 0.2, False),
        ("calls", "wire.calls_vs_echo", 0.9, True),
        ("arrival", "wire.server_peak_over_model", 3.1, True),
        ("rounds", "wire.round_overhead_ms", 26.0, True),
    ],
)
def test_each_figure_is_held_against_its_target(part, name, value, is_met, tmp_path):
    one = figures(part, tmp_path)[name]
    assert (one.value, one.met) == (value, is_met)


def test_where_the_disk_is_too_small_it_says_by_how_much_and_measures_nothing(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(arrival, "missing_bytes", lambda *_: 3 * 10**9)
    one = figures("arrival", tmp_path)["wire.server_peak_over_model"]
    assert (one.value, one.met) == (None, None) and "lacks 3.0 GB" in one.how


def test_a_part_that_there_is_not_is_refused(capsys):
    with pytest.raises(SystemExit):
        wire.main(["--only", "idle,sleep"])
    assert "there is no sleep" in capsys.readouterr().err


def test_the_model_of_the_updates_is_as_large_as_asked_for():
    for parameters in (16_000_000, 62_500_000):
        found = arrival.parameters_of(arrival.width(parameters))
        assert abs(found / parameters - 1) < 0.001
