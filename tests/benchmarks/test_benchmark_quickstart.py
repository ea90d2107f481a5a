"""The quickstart's figures are medians of what the runs told."""

from benchmarks.figures import Report
from benchmarks.quickstart import add_figures, summary

RECORDS = [
    {"event": "round", "round": 1},
    {"event": "baseline", "name": "central", "accuracy": 0.98},
    {"event": "baseline", "name": "local_only", "accuracy": 0.5},
    {"event": "finished", "accuracy": 0.95, "seconds": 30.0, "digest": "ab"},
]


def test_gap_and_gain_are_points_between_the_runs_own_records():
    found = summary(RECORDS)
    assert round(found["gap_to_central_pt"], 6) == 3.0
    assert round(found["gain_over_local_pt"], 6) == 45.0


def test_the_figures_are_medians_and_a_missed_target_says_so():
    runs = [{**summary(RECORDS), "accuracy": accuracy} for accuracy in (0.9, 0.93, 0.99)]
    report = Report("quickstart", {"seeds": [1, 2, 3]}, code=())
    add_figures(report, runs)
    by_id = {figure.id: figure for figure in report.figures}
    assert by_id["quickstart.accuracy"].value == 0.93
    assert by_id["quickstart.accuracy"].met is False
    assert by_id["quickstart.result_s"].met is True
