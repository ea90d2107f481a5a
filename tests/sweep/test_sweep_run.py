"""Sweeps that really run: forked cells, real files."""

import csv
import hashlib
import io
import json

import pytest
from small_sweep import SCENARIO, SWEEP, conducted, evaluations, loaded, written

from fedplat.config.build import build
from fedplat.errors import ConfigError, DataError, FailedCellsError
from fedplat.types import client_id
from fedplat_sim.sweep.definition import load

pytestmark = pytest.mark.slow
RESULTS = ("table.txt", "table.csv", "cells.csv", "table.tex", "report.html")


@pytest.fixture(autouse=True)
def log(tmp_path, monkeypatch):
    path = tmp_path / "evaluations.jsonl"
    monkeypatch.setenv("COUNTED_EVALUATIONS", str(path))
    return path


def files(folder):
    return {name: (folder / name).read_bytes() for name in RESULTS}


def test_a_sweep_ends_with_a_table_for_readers_programs_and_papers(tmp_path):
    outcome, told = conducted(loaded(tmp_path), tmp_path / "out")
    assert all(files(tmp_path / "out").values())
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "table.csv").read_text())))
    accuracy = next(r for r in rows if r["arm"] == "slow" and r["measure"] == "accuracy")
    by_seed = {(r["arm"], r["seed"]): r["measures"]["accuracy"] for r in outcome.records}
    gaps = [by_seed["slow", seed] - by_seed["fast", seed] for seed in (1, 2)]
    assert float(accuracy["difference"]) == pytest.approx(sum(gaps) / 2, rel=1e-12)
    assert accuracy["pairs"] == "2"
    assert told[-1]["event"] == "finished"
    assert told[-1]["rows"][1]["low"] == pytest.approx(float(accuracy["difference_low"]))


def test_results_do_not_depend_on_the_number_of_processes(tmp_path):
    sweep = loaded(tmp_path, select={"tune": {"training.momentum": [0.0, 0.5]}})
    conducted(sweep, tmp_path / "one", processes=1)
    conducted(sweep, tmp_path / "three", processes=3)
    assert files(tmp_path / "one") == files(tmp_path / "three")


def test_a_sweep_goes_on_where_it_was_to_the_same_results(tmp_path):
    sweep = loaded(tmp_path)
    _, first = conducted(sweep, tmp_path / "out")
    whole = files(tmp_path / "out")
    cells = sorted((tmp_path / "out" / "cells").iterdir())
    kept = {path: path.stat().st_mtime_ns for path in cells[1:]}
    cells[0].unlink()
    for name in RESULTS:
        (tmp_path / "out" / name).unlink()
    _, again = conducted(sweep, tmp_path / "out")
    assert files(tmp_path / "out") == whole
    assert {path: path.stat().st_mtime_ns for path in cells[1:]} == kept
    assert cells[0].exists()
    assert [r["event"] for r in first].count("progress") > [r["event"] for r in again].count(
        "progress"
    )


def test_a_changed_sweep_is_refused_with_what_is_different(tmp_path):
    conducted(loaded(tmp_path), tmp_path / "out")
    changed = loaded(tmp_path, seeds=[1, 3], grid={"rounds": [1]})
    with pytest.raises(ConfigError) as caught:
        conducted(changed, tmp_path / "out")
    assert "`seeds` was [1, 2] and is [1, 3]" in str(caught.value)
    assert "`grid.rounds` was nothing and is [1]" in str(caught.value)


def test_a_changed_scenario_is_refused_too(tmp_path):
    conducted(loaded(tmp_path), tmp_path / "out")
    changed = load(written(tmp_path, SWEEP, {**SCENARIO, "rounds": 3}))
    with pytest.raises(ConfigError, match=r"`scenario.rounds` was 2 and is 3"):
        conducted(changed, tmp_path / "out")


def test_somebody_elses_folder_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(ConfigError, match="is no sweep's folder"):
        conducted(loaded(tmp_path), tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_damaged_cell_is_named(tmp_path):
    conducted(loaded(tmp_path), tmp_path / "out")
    cell = next((tmp_path / "out" / "cells").iterdir())
    cell.write_text(cell.read_text()[:50])
    with pytest.raises(DataError, match=r"cells/run-.*is damaged; remove it"):
        conducted(loaded(tmp_path), tmp_path / "out")


def test_a_refused_arm_leaves_no_folder_and_runs_nothing(tmp_path, log):
    sweep = loaded(tmp_path, arms={"good": {}, "bad": {"rounds": -1}})
    with pytest.raises(ConfigError, match="arm bad"):
        conducted(sweep, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert evaluations(log) == []


# ── the choice, and the test set ─────────────────────────────────────────────────────────────────


def test_a_tuned_sweep_reads_the_test_split_for_chosen_configurations_only(tmp_path, log):
    tried = [0.1, 0.5, 0.9]
    arms = {"a": {"tune": {"training.lr": tried}}}
    sweep = loaded(tmp_path, arms=arms)
    outcome, _ = conducted(sweep, tmp_path / "out", processes=2)
    (choice,) = outcome.choices
    chosen = dict(choice.tuned)["training.lr"]
    secret = {digest for seed in sweep.seeds for digest in held_out_of(seed)}
    read = [one for one in evaluations(log) if one["data"] in secret]
    others = [one for one in evaluations(log) if one["data"] not in secret]
    assert {one["lr"] for one in read} == {chosen}
    assert {one["lr"] for one in others} == set(tried)  # validation was read for all of them
    # per seed: every round centrally, and each client once at the end
    assert len(read) == len(sweep.seeds) * (SCENARIO["rounds"] + SCENARIO["clients"]["count"])


def held_out_of(seed):
    from fedplat.config.scenario import parse

    parts = build(parse({**SCENARIO, "seed": seed}))
    clients = [parts.shards.client(client_id(i)).test for i in range(4)]
    return [
        hashlib.sha256(one.inputs.numpy().tobytes()).hexdigest()
        for one in (*clients, parts.loaded.test)
    ]


def test_the_chosen_configuration_is_run_again_to_the_same_model(tmp_path):
    sweep = loaded(tmp_path, arms={"a": {"tune": {"training.lr": [0.1, 0.9]}}})
    outcome, _ = conducted(sweep, tmp_path / "out")
    chosen = dict(outcome.choices[0].tuned)
    of = {
        (record["trial"], record["seed"]): record["digest"]
        for record in outcome.records
        if record["tuned"] == chosen
    }
    assert of[True, 1] == of[False, 1]
    assert of[True, 2] == of[False, 2]


# ── what arms share ──────────────────────────────────────────────────────────────────────────────

TORCH = {
    "name": "torch",
    "seed": 0,
    "rounds": 2,
    "data": {"name": "digits"},
    "partition": {"name": "dirichlet", "alpha": 0.3},
    "clients": {"count": 8, "per_round": 3},
    "model": "logistic",
    "training": {"lr": 0.1, "epochs": 1},
}
ALGORITHMS = {
    "fedavg": {"algorithm": "fedavg"},
    "fedprox": {"algorithm": {"name": "fedprox", "mu": 1.0}},
    "scaffold": {"algorithm": "scaffold"},
    "ditto": {"algorithm": {"name": "ditto", "lam": 0.1}},
}


def draws(outcome, arm, seed):
    (record,) = (r for r in outcome.records if r["arm"] == arm and r["seed"] == seed)
    return record["draws"]


def test_arms_share_split_initial_model_and_cohorts_at_each_seed(tmp_path):
    table = {"scenario": "scenario.toml", "seeds": [1, 2], "arms": ALGORITHMS}
    outcome, _ = conducted(load(written(tmp_path, table, TORCH)), tmp_path / "out", processes=2)
    for seed in (1, 2):
        assert len({str(draws(outcome, arm, seed)) for arm in ALGORITHMS}) == 1
    one, two = draws(outcome, "fedavg", 1), draws(outcome, "fedavg", 2)
    assert all(one[draw] != two[draw] for draw in ("split", "initial", "cohorts"))
    assert outcome.results.same_draws
    digests = {r["digest"] for r in outcome.records if r["seed"] == 1}
    assert len(digests) >= 3  # they are different algorithms: ditto's global model is fedavg's


def test_arms_that_do_not_share_them_are_said(tmp_path):
    arms = {"few": {}, "many": {"clients": {"count": 5}}, "other": {"clients": {"per_round": 3}}}
    outcome, _ = conducted(loaded(tmp_path, arms=arms), tmp_path / "out")
    assert not outcome.results.same_draws
    notes = " ".join(outcome.results.notes)
    assert "few and many have different splits" in notes
    assert "few and other have different cohorts" in notes
    assert "few and other have different splits" not in notes


def test_personal_models_are_compared_on_the_clients_own_test_splits(tmp_path):
    arms = {"fedavg": ALGORITHMS["fedavg"], "ditto": ALGORITHMS["ditto"]}
    table = {"scenario": "scenario.toml", "seeds": [1], "arms": arms}
    outcome, _ = conducted(load(written(tmp_path, table, TORCH)), tmp_path / "out")
    assert outcome.results.measure.name == "client_accuracy"
    assert [r["evaluated"] for r in outcome.records] == ["global", "personal"]


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────────


def test_a_run_that_diverges_is_reported_and_the_others_go_on(tmp_path):
    arms = {"fine": {}, "wild": {"training": {"lr": 1e38}}}
    table = {"scenario": "scenario.toml", "seeds": [1, 2], "arms": arms}
    with pytest.raises(FailedCellsError) as caught:
        conducted(load(written(tmp_path, table, TORCH)), tmp_path / "out", processes=2)
    assert caught.value.exit_code == 3
    assert caught.value.fields["failed"] == 2
    assert "wild · seed 1: round 1, client" in str(caught.value)
    assert "is not finite" in str(caught.value)
    text = (tmp_path / "out" / "table.txt").read_text()
    assert "wild · seed 2 failed and is left out" in text
    states = {
        json.loads(path.read_text())["arm"]: json.loads(path.read_text())["state"]
        for path in (tmp_path / "out" / "cells").iterdir()
    }
    assert states == {"fine": "done", "wild": "failed"}


def test_a_cell_whose_process_dies_is_failed_and_is_run_again_next_time(tmp_path, monkeypatch):
    monkeypatch.setenv("DIE_AT_LR", "0.1")
    with pytest.raises(FailedCellsError, match="its process was ended by SIGKILL"):
        conducted(loaded(tmp_path), tmp_path / "out")
    assert len(list((tmp_path / "out" / "cells").iterdir())) == 2
    monkeypatch.delenv("DIE_AT_LR")
    outcome, _ = conducted(loaded(tmp_path), tmp_path / "out")
    assert {record["state"] for record in outcome.records} == {"done"}


def test_a_trial_that_diverges_is_out_of_the_choice_and_no_failure(tmp_path):
    arms = {"a": {"tune": {"training.lr": [1e38, 0.1]}}}
    table = {"scenario": "scenario.toml", "seeds": [1], "arms": arms}
    outcome, _ = conducted(load(written(tmp_path, table, TORCH)), tmp_path / "out")
    assert dict(outcome.choices[0].tuned) == {"training.lr": 0.1}
    assert any("lr 1e+38 is out of the choice" in note for note in outcome.results.notes)


def test_an_arm_without_a_configuration_left_fails(tmp_path):
    arms = {"fine": {}, "wild": {"tune": {"training.lr": [1e38, 2e38]}}}
    table = {"scenario": "scenario.toml", "seeds": [1], "arms": arms}
    table["select"] = {"unequal_budgets": True}
    with pytest.raises(FailedCellsError, match="wild: every configuration failed"):
        conducted(load(written(tmp_path, table, TORCH)), tmp_path / "out")
    assert "wild" in (tmp_path / "out" / "report.html").read_text()


def test_one_seed_has_no_interval_and_it_is_said(tmp_path):
    outcome, _ = conducted(loaded(tmp_path, seeds=[5]), tmp_path / "out")
    assert any("One seed" in note for note in outcome.results.notes)
    row = outcome.results.rows[1]
    assert row.differences["accuracy"].low is None
