"""A scenario runs in one process and ends in the same model, whoever did the work."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
from small import Told, small

from fedplat.config import scenario as scenarios
from fedplat.errors import ConfigError, DivergenceError, QuorumError
from fedplat.params import tensors_digest
from fedplat_sim.run import Options, run

EXAMPLES = Path(__file__).parents[2] / "examples"
SEQUENTIAL = Options(executor="sequential")
FEDAVG = small()
MLP = {"name": "mlp", "hidden": [8]}


def digest(scenario, **options):
    return run(scenario, Options(**{"executor": "sequential", **options})).digest


def test_the_same_seed_gives_the_same_model_and_another_seed_another():
    assert digest(FEDAVG) == digest(FEDAVG)
    assert digest(FEDAVG) != digest(small(seed=4))


@pytest.mark.parametrize("name", ["fedavg", "scaffold", "fedper", "fednova"])
def test_a_pool_of_processes_gives_the_bits_of_the_sequential_executor(name):
    model = {"model": MLP} if name == "fedper" else {}
    scenario = small(algorithm=name, rounds=2, **model)
    assert digest(scenario) == digest(scenario, executor="process_pool", processes=2)


def test_the_model_does_not_depend_on_pythons_hash_seed(tmp_path):
    script = (
        "import sys; sys.path[:0] = sys.argv[1:];"
        "from small import small; from fedplat_sim.run import run, Options;"
        "print(run(small(), Options(executor='sequential')).digest)"
    )
    paths = [path for path in sys.path if path]
    digests = set()
    for hash_seed in ("0", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", script, *paths],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout.strip())
    assert digests == {digest(FEDAVG)}


def test_the_run_folder_holds_what_the_readme_says(tmp_path):
    told = Told()
    result = run(FEDAVG, Options(executor="sequential", folder=tmp_path / "run"), [told])
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {
        "scenario.toml",
        "environment.json",
        "events.jsonl",
        "metrics.jsonl",
        "model.safetensors",
        "report.html",
    } <= names
    saved = safetensors.torch.load_file(tmp_path / "run" / "model.safetensors")
    assert tensors_digest(saved) == result.digest
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == json.loads(json.dumps(told.records))
    assert told.records[-1]["digest"] == result.digest
    lines = (tmp_path / "run" / "events.jsonl").read_text().splitlines()
    commits = [json.loads(line) for line in lines]
    assert [e["round_id"] for e in commits if e["event"] == "RoundCommitted"] == [1, 2, 3]


def test_an_existing_run_folder_is_refused_and_nothing_in_it_changes(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "mine.txt").write_text("precious")
    with pytest.raises(ConfigError, match="exists already"):
        run(FEDAVG, Options(executor="sequential", folder=folder))
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_training_learns_and_its_federated_evaluation_is_told():
    told = Told()
    result = run(small(rounds=6, **{"training.lr": 1.0}), SEQUENTIAL, [told])
    assert result.accuracy is not None and result.accuracy > 0.7
    [test] = [record for record in told.events("evaluation") if record["split"] == "test"]
    assert len(test["clients"]) == 6
    scores = [one["accuracy"] for one in test["clients"].values()]
    assert test["worst"] == min(scores) and test["mean"] == pytest.approx(sum(scores) / 6)


def test_bytes_are_those_of_the_encoded_messages_and_blobs():
    told = Told()
    run(small(rounds=1, **{"evaluation.federated": "never"}), SEQUENTIAL, [told])
    [record] = told.events("round")
    model = 650 * 4  # 64 × 10 weights and 10 biases
    assert 4 * model < record["bytes_up"] < 4 * (model + 200)
    assert 4 * model < record["bytes_down"] < 4 * (model + 200)


def test_zero_rounds_give_the_initial_model():
    result = run(small(rounds=0), SEQUENTIAL)
    assert result.rounds == 0 and result.accuracy is not None


def test_one_client_is_a_federation():
    assert run(small(**{"clients.count": 1, "clients.per_round": 1}), SEQUENTIAL).rounds == 3


def test_a_batch_larger_than_a_shard_is_one_batch():
    assert run(small(**{"training.batch_size": 100_000}), SEQUENTIAL).rounds == 3


@pytest.mark.filterwarnings("ignore")
def test_a_loss_that_is_not_finite_stops_the_run_with_round_client_and_step():
    with pytest.raises(DivergenceError, match=r"round 1, client client-00000\d, local step \d+"):
        run(small(model=MLP, **{"training.lr": 1e30}), SEQUENTIAL)


def test_drop_client_goes_on_without_the_clients_that_diverge():
    told = Told()
    with pytest.raises(QuorumError, match="not finite|loss"):  # at this rate all of them do
        run(
            small(model=MLP, on_divergence="drop_client", **{"training.lr": 1e30}),
            SEQUENTIAL,
            [told],
        )


def test_dropouts_and_stragglers_take_virtual_time_and_change_who_counts():
    told = Told()
    scenario = small(
        rounds=4,
        **{
            "clients.dropout": 0.3,
            "clients.over_selection": 2,
            "clients.deadline_s": 30.0,
            "clients.stragglers": {"name": "exponential", "mean_s": 20.0},
        },
    )
    run(scenario, SEQUENTIAL, [told])
    rounds = told.events("round")
    assert all(r["asked"] == 6 and r["accepted"] <= 4 for r in rounds)
    assert sum(r["dropped"] + r["late"] for r in rounds) > 0
    assert 0 < rounds[-1]["virtual_s"] <= 4 * 30.0
    assert digest(scenario) == digest(scenario, executor="process_pool", processes=2)


def test_an_unknown_executor_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="sequential"):
        run(FEDAVG, Options(executor="sequentiell"))


def test_a_personalised_run_tells_every_clients_model_on_every_clients_data():
    told = Told()
    run(small(algorithm={"name": "ditto", "lam": 0.1}, rounds=2), SEQUENTIAL, [told])
    [crossed] = told.events("cross_evaluation")
    assert len(crossed["accuracy"]) == len(crossed["accuracy"][0]) == 6
    assert {record["model"] for record in told.events("evaluation")} == {"global", "personal"}


def test_baselines_are_told_beside_the_run():
    told = Told()
    run(small(**{"evaluation.baselines": ["central", "local_only"]}), SEQUENTIAL, [told])
    found = {record["name"]: record["accuracy"] for record in told.events("baseline")}
    assert found["central"] > found["local_only"]


def test_what_an_executor_refuses_leaves_no_folder_behind(tmp_path):
    table = (EXAMPLES / "sklearn_model" / "scenario.toml", {"rounds": 1})
    with pytest.raises(ConfigError, match="executor cohort"):
        run(scenarios.load(*table), Options(executor="cohort", folder=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_early_stopping_keeps_the_best_validated_model_and_its_own_accuracy(tmp_path):
    told, options = Told(), Options(executor="sequential", folder=tmp_path / "run")
    chosen = {"federated": 1, "keep": "best", "patience": 2, "every": 0}
    scenario = small(rounds=40, evaluation=chosen, **{"training.lr": 3.0})
    result = run(scenario, options, [told])
    losses = {
        record["round"]: record["overall"]["loss"]
        for record in told.events("evaluation")
        if record["split"] == "validation"
    }
    best = min(losses, key=lambda round_id: losses[round_id])
    assert result.rounds == best + 2 < 40
    assert told.records[-1]["selected"] == best
    plain = run(small(rounds=best, **{"training.lr": 3.0}), SEQUENTIAL)
    assert (result.digest, result.accuracy) == (plain.digest, plain.accuracy)
    [said] = [one["text"] for one in told.events("warning")]
    assert f"stopped after round {result.rounds} of 40" in said and f"of round {best}" in said


def test_a_run_that_is_opened_again_after_its_end_tells_the_same_end(tmp_path):
    folder = tmp_path / "run"
    scenario = small(evaluation={"federated": 1, "keep": "best", "patience": 1})
    first = run(scenario, Options(executor="sequential", folder=folder))
    again = run(scenario, Options(executor="sequential", folder=folder, resume=True))
    assert (again.digest, again.accuracy, again.rounds) == (
        first.digest,
        first.accuracy,
        first.rounds,
    )
