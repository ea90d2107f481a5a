"""One scenario, one model: who does the work has no say in any bit of it."""

import json
import os
import subprocess
import sys

import pytest
from sim.small import Told, small

from fedplat import algorithms
from fedplat_sim.run import Options, run

NEEDED = {
    "ditto": {"lam": 0.1},
    "fedadagrad": {"server_lr": 0.1},
    "fedadam": {"server_lr": 0.1},
    "feddyn": {"alpha": 0.1},
    "fedprox": {"mu": 0.1},
    "fedrep": {"head_epochs": 1},
    "fedyogi": {"server_lr": 0.1},
    "qfedavg": {"q": 1.0},
}
MODELS = {
    "fedbn": {"name": "resnet8"},
    "fedper": {"name": "mlp", "hidden": [8]},
    "fedrep": {"name": "mlp", "hidden": [8]},
}
TOLD = ("digest", "accuracy", "loss", "bytes_up", "bytes_down")


def scenario(name: str):
    """A tiny run; two rounds, so that what clients remember is used."""
    slow = {"training": {"steps": 1, "lr": 0.1}} if name == "fedbn" else {}
    late = {"clients.concurrency": 3} if name == "fedbuff" else {}
    return small(
        rounds=2,
        algorithm={"name": name, **NEEDED.get(name, {})},
        model=MODELS.get(name, "logistic"),
        **{"clients.count": 4, "clients.per_round": 3, **slow, **late},
    )


def outcome(name: str, executor: str) -> tuple[dict, list]:
    told = Told()
    run(scenario(name), Options(executor=executor, processes=2), [told])
    rounds = [{k: r[k] for k in ("round", *TOLD) if k in r} for r in told.events("round")]
    [finished] = told.events("finished")
    return {key: finished[key] for key in TOLD}, [*rounds, *told.events("evaluation")]


EVERY = [
    pytest.param(name, marks=pytest.mark.slow if name == "fedbn" else [])
    for name in sorted(algorithms.BY_NAME)
]


@pytest.mark.parametrize("name", EVERY)
def test_a_pool_of_processes_ends_in_the_sequential_model_with_the_same_bytes(name):
    alone, records = outcome(name, "sequential")
    assert outcome(name, "process_pool") == (alone, records)
    assert alone["bytes_up"] > 0 and alone["bytes_down"] > 0
    assert len({record["digest"] for record in records if "digest" in record}) == 2


def test_another_algorithm_ends_in_another_model():
    names = ("fedavg", "fedprox", "fedadam", "scaffold")
    ends = {name: outcome(name, "sequential")[0] for name in names}
    assert len({end["digest"] for end in ends.values()}) == len(names)
    update = 650 * 4 * 3 * 2  # a float32 model from three clients in each of two rounds
    assert ends["fedavg"]["bytes_up"] > update
    assert ends["scaffold"]["bytes_up"] > ends["fedavg"]["bytes_up"] + 0.9 * update


SCRIPT = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from parity.test_executors_agree import outcome
print(json.dumps(outcome("scaffold", "process_pool")[0]))
"""


@pytest.mark.slow
def test_the_order_of_pythons_sets_has_no_say_either():
    paths = json.dumps([path for path in sys.path if path])
    found = []
    for hash_seed in ("1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, paths],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(done.stdout))
    assert found == [outcome("scaffold", "sequential")[0]] * 2
