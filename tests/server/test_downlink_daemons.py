"""Compressed in both directions, daemons come to the simulation's model, and move its bytes."""

import json

import pytest
from cli.daemons import COORDINATOR, daemons, scenario

from fedplat_sim.run import Options, run

pytestmark = pytest.mark.slow

TOPK = {"name": "topk", "ratio": 0.02, "entropy": "raw"}
MODEL = {"name": "mlp"}
PARAMETERS = 64 * 200 + 200 + 200 * 10 + 10


def compressed(**overrides):
    return scenario(model=MODEL, codec=TOPK, downlink=TOPK, **{"rounds": 4, **overrides})


@pytest.fixture(scope="module")
def simulated():
    return run(compressed(), Options(executor="sequential"))


@pytest.fixture
def federation(tmp_path):
    with daemons(tmp_path) as one:
        yield one


def test_daemons_end_with_the_simulations_digest_and_nobody_fetches_a_whole_model(
    federation, simulated
):
    answer = federation("up", federation.write(compressed()), "--run", "up", "--follow", "--json")
    assert answer.code == 0, answer
    records = [json.loads(line) for line in answer.out.splitlines()]
    assert records[-1]["digest"] == simulated.digest
    first, *later = [one["bytes_down"] for one in records if one["event"] == "round"]
    assert first == 0  # they make the first model themselves
    assert all(0 < one < 2 * 4 * PARAMETERS / 10 for one in later)
    blobs = sum(later)
    assert blobs < simulated.bytes_down < blobs + 4 * 2 * 400  # which counts messages too


def test_a_coordinator_that_is_killed_still_knows_the_steps(federation, simulated):
    scenario_file = federation.write(compressed(rounds=4))
    federation("up", scenario_file, "--run", "up")
    federation.until(lambda: federation.num_events() >= 8, "the second round")
    federation.kill(COORDINATOR)
    answer = federation("up", scenario_file, "--run", "up", "--follow", "--json")
    assert answer.code == 0, answer
    records = [json.loads(line) for line in answer.out.splitlines()]
    assert records[-1]["digest"] == simulated.digest
