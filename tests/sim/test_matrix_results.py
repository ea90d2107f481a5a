"""Heat maps show the worst over attacks of the mean over seeds, and no number where one fails."""

import json

import pytest
from small_matrix import KEYS, loaded, records

from fedplat_sim.matrix import charts, tables
from fedplat_sim.matrix.cells import places
from fedplat_sim.matrix.page import page
from fedplat_sim.matrix.results import gather

HIT = "backdoor"


@pytest.mark.parametrize(("measure", "worse"), [("accuracy", min), ("rmse", max)])
def test_a_box_is_the_worst_over_attacks_of_the_mean_over_seeds(tmp_path, measure, worse):
    matrix = loaded(tmp_path, **KEYS)
    told = records(matrix, measure)
    results = gather(matrix, reversed(told), {})
    assert len(results.boxes) == 2 * 2 * 2
    for box in results.boxes:
        means = {}
        for attack in matrix.attacks:
            point = {"attack": attack, "partition.gamma": matrix.values[box.row], "f": box.liars}
            own = [r for r in told if r["arm"] == box.rule and r["point"] == point]
            assert len(own) == 3
            means[attack] = sum(r["measures"][measure] for r in own) / 3
        assert box.worst.place.attack == worse(means, key=means.get)
        assert box.worst.score.mean == pytest.approx(worse(means.values()))


def test_a_failed_run_makes_its_box_failed_and_not_a_number(tmp_path):
    matrix = loaded(tmp_path, **KEYS)
    told = records(matrix)
    at = {**told[0], "state": "failed", "reason": "round 3: the loss is not finite"}
    results = gather(matrix, [at, *told[1:]], {})
    states = [box.state for box in results.boxes]
    assert states.count("failed") == 1 and states.count("done") == 7
    [box] = [one for one in results.boxes if one.state == "failed"]
    assert box.worst.score is None
    [note] = tables.notes(results)
    assert "seed 1: round 3: the loss is not finite" in note
    assert " failed" in tables.as_text(results)


def test_a_refused_place_is_named_once_a_reason_with_how_often(tmp_path):
    matrix = loaded(tmp_path, **KEYS)
    refused = {place: "n is too small" for place in places(matrix) if place.rule == "mean"}
    told = [one for one in records(matrix) if one["arm"] != "mean"]
    results = gather(matrix, told, refused)
    assert {box.state for box in results.of("mean")} == {"refused"}
    assert {box.state for box in results.of("nnm | trimmed_mean")} == {"done"}
    assert tables.under_attack(results, "mean", "alie") == "4 refused"
    [note] = tables.notes(results)
    assert "and 11 more refused: n is too small" in note


def test_a_rule_refused_in_some_boxes_keeps_the_numbers_of_the_others(tmp_path):
    matrix = loaded(tmp_path, **KEYS)
    refused = {one: "no" for one in places(matrix) if (one.rule, one.liars) == ("mean", 2)}
    told = [one for one in records(matrix) if (one["arm"], one["point"]["f"]) != ("mean", 2)]
    results = gather(matrix, told, refused)
    means = [one.score.mean for one in results.under("mean", "alie") if one.score]
    assert len(means) == 2
    shown = f"{100 * min(means):.1f} (2 refused)"
    assert tables.under_attack(results, "mean", "alie") == shown
    assert shown in tables.as_text(results)


def test_a_targeted_attacks_highest_success_stands_beside_the_accuracy(tmp_path):
    matrix = loaded(tmp_path, **{**KEYS, "attacks": [HIT]})
    told = records(matrix)
    for index, record in enumerate(told):
        record["measures"]["attack_success"] = index / len(told)
    results = gather(matrix, told, {})
    assert "(hit " in tables.under_attack(results, "mean", HIT)
    rows = [one for one in tables.as_record(results)["heatmap"] if one["rule"] == "mean"]
    assert all(0 <= one["success"] < 1 for one in rows)


def test_a_regression_is_drawn_in_its_own_unit(tmp_path):
    matrix = loaded(tmp_path, **KEYS)
    told = records(matrix, "rmse")
    results = gather(matrix, told, {})
    assert "RMSE" in page(results, told)
    assert tables.as_text(results).splitlines()[1].startswith("RMSE")


def test_a_matrix_of_which_nothing_ran_is_drawn_too(tmp_path):
    matrix = loaded(tmp_path, **KEYS)
    refused = dict.fromkeys(places(matrix), "no")
    results = gather(matrix, [], refused)
    assert {box.state for box in results.boxes} == {"refused"}
    assert "refused" in page(results, [])
    charts.save(results, tmp_path / "empty.png")


def test_programs_get_strict_json(tmp_path):
    matrix = loaded(tmp_path, **KEYS)
    found = tables.as_record(gather(matrix, records(matrix), {}))
    again = json.loads(json.dumps(found, allow_nan=False))
    assert {"rule", "partition.gamma", "f", "worst_attack", "state", "mean", "sd", "n"} <= set(
        again["heatmap"][0]
    )
    assert len(again["rules_by_attack"]) == 2 * 3
