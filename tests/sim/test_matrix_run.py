"""A matrix as it runs: the mean falls, a robust chain stands, and going on changes nothing."""

import json
from pathlib import Path

import pytest
from small_matrix import FLIP, conducted, loaded

from fedplat.errors import ConfigError, FailedCellsError
from fedplat_sim.matrix.cells import refusals
from fedplat_sim.matrix.definition import load

SHIPPED = Path(__file__).parents[2] / "simulations" / "scenarios" / "robustness.toml"
WRITTEN = ("matrix.json", "table.txt", "cells.csv", "report.html", "heatmap.svg", "heatmap.png")


def test_the_mean_falls_a_robust_chain_stands_and_going_on_changes_nothing(tmp_path):
    matrix = loaded(tmp_path)
    outcome, told = conducted(matrix, tmp_path / "out")
    mean, robust = outcome.results.boxes
    assert mean.worst.place.attack == "sign_flip(scale=30.0)"
    assert mean.worst.score.mean < 0.5 < 0.75 < robust.worst.score.mean
    assert [one["event"] for one in told if one["event"] != "progress"] == [
        "started",
        *["cell"] * 4,
        "finished",
    ]
    assert told[-1]["heatmap"] == json.loads((tmp_path / "out/matrix.json").read_text())["heatmap"]

    before = {name: (tmp_path / "out" / name).read_bytes() for name in WRITTEN}
    cells = sorted((tmp_path / "out" / "cells").iterdir())
    kept = cells[0].read_bytes()
    cells[1].unlink()
    conducted(matrix, tmp_path / "out", processes=1)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in WRITTEN} == before
    assert cells[0].read_bytes() == kept  # what had run was not run again


def test_a_folder_belongs_to_one_matrix(tmp_path):
    small = {"attacks": ["none"], "rules": ["mean"], "set": {"rounds": 1}}
    conducted(loaded(tmp_path, **small), tmp_path / "out")
    with pytest.raises(ConfigError, match=r"`seeds` was \[1\] and is \[2\]"):
        conducted(loaded(tmp_path, **small, seeds=[2]), tmp_path / "out")


def test_a_run_that_fails_is_shown_as_failed_and_ends_in_an_error_with_the_others_done(tmp_path):
    matrix = loaded(tmp_path, attacks=["not_finite"], set={"rounds": 1})
    with pytest.raises(FailedCellsError, match="1 of 2 runs came to no result"):
        conducted(matrix, tmp_path / "out")
    found = json.loads((tmp_path / "out" / "matrix.json").read_text())
    mean, robust = found["heatmap"]
    assert (mean["state"], robust["state"]) == ("failed", "done")
    assert "mean" not in mean and "finite" in mean["reason"]


def test_a_backdoors_success_is_measured_in_every_cell(tmp_path):
    matrix = loaded(tmp_path, attacks=["backdoor"], rules=["mean"], set={"rounds": 2})
    outcome, _ = conducted(matrix, tmp_path / "out")
    [box] = outcome.results.boxes
    assert 0 <= box.worst.success <= 1


def test_the_matrix_that_comes_with_fedplat_is_one_and_shows_a_refusal():
    matrix = load(SHIPPED)
    refused = refusals(matrix, lambda one: one.arm != "bulyan")
    assert {(place.rule, place.liars) for place in refused} == {("bulyan", 2)}
    assert SHIPPED.read_text().startswith("# ")


def test_a_cut_of_it_shows_what_it_promises(tmp_path):
    attack = [{**FLIP, "scale": 10}]
    text = SHIPPED.parent / "attacked.toml"
    matrix = loaded(
        tmp_path,
        scenario=str(text),
        honest=8,
        byzantine=[2],
        rules=["mean", "arc | nnm | trimmed_mean"],
        attacks=attack,
        heterogeneity={"key": "partition.gamma", "values": [0.33]},
        set={"evaluation": {"every": 0, "federated": "never"}},
    )
    outcome, _ = conducted(matrix, tmp_path / "out")
    mean, robust = outcome.results.boxes
    assert mean.worst.score.mean < 0.3 < 0.8 < robust.worst.score.mean
