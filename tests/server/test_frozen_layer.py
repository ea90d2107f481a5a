"""A frozen layer travels to each client once, over real daemons; the run counts what travels."""

import json

import pytest
from cli.daemons import daemons, scenario

APP = """
import numpy as np

def initial(context):
    rng = np.random.default_rng(0)
    return {
        "backbone": rng.normal(size=(64, 300)).astype(np.float32),
        "head": np.zeros((300, 10), np.float32),
    }

def fit(params, context):
    FREEZE
    params["head"] = params["head"] + 0.5
    return params, {"num_examples": len(context.data.inputs), "train_loss": 0.5}

def evaluate(params, context):
    return {"loss": 1.0, "accuracy": 0.1}
"""
MOVED = 'params["backbone"] = params["backbone"] + 0.5'
BACKBONE, HEAD = 4 * 64 * 300, 4 * 300 * 10
CLIENTS, ROUNDS = 2, 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "later"), [("pass", HEAD), (MOVED, BACKBONE + HEAD)], ids=["frozen", "trained"]
)
def test_bytes_down_are_those_that_travelled(tmp_path, change, later):
    app = tmp_path / "app.py"
    app.write_text(APP.replace("FREEZE", change), encoding="utf-8")
    with daemons(tmp_path) as federation:
        file = federation.write(scenario(app=str(app), model=None))
        answer = federation("up", file, "--run", "up", "--follow", "--json")
    assert answer.code == 0, answer
    records = [json.loads(line) for line in answer.out.splitlines()]
    rounds = [one["bytes_down"] for one in records if one["event"] == "round"]
    assert rounds == [CLIENTS * (BACKBONE + HEAD), *[CLIENTS * later] * (ROUNDS - 1)]
