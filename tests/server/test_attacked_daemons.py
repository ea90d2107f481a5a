"""Daemons of which some lie: the same model as in the simulation, and nobody lies unasked."""

import json

import pytest
from cli.daemons import COORDINATOR, daemons, scenario

from fedplat.config import attacking
from fedplat.config.deployment import ClientDeployment
from fedplat.errors import ConfigError
from fedplat.types import ClientId
from fedplat_client import terms
from fedplat_sim.run import Options, run

LIES = {"name": "sign_flip", "fraction": 0.34, "scale": 10.0}


def attacked(aggregator, **overrides):
    robust = {"aggregator": aggregator, "num_byzantine": 1, "clients.momentum": 0.5}
    three = {"clients.count": 3, "clients.per_round": 3}
    return scenario(**{"rounds": 3, "attack": LIES, **robust, **three, **overrides})


@pytest.fixture
def federation(tmp_path):
    with daemons(tmp_path) as one:
        yield one


def records(answer):
    assert answer.code == 0, answer
    return [json.loads(line) for line in answer.out.splitlines()]


@pytest.mark.slow
def test_daemons_that_lie_end_with_the_simulations_digest(federation):
    one = attacked("trimmed_mean")
    assert len(attacking.liars(one)) == 1
    simulated = run(one, Options(executor="sequential"))
    told = records(federation("up", federation.write(one), "--run", "up", "--follow", "--json"))
    assert told[-1]["digest"] == simulated.digest


@pytest.mark.slow
def test_a_coordinator_that_is_killed_still_knows_the_last_aggregate(federation):
    one = attacked("centered_clipping", rounds=4)
    simulated = run(one, Options(executor="sequential"))
    file = federation.write(one)
    federation("up", file, "--run", "up")
    federation.until(lambda: federation.num_events() >= 10, "the second round")
    federation.kill(COORDINATOR)
    told = records(federation("up", file, "--run", "up", "--follow", "--json"))
    assert told[-1]["digest"] == simulated.digest


@pytest.mark.slow
def test_liars_that_would_have_to_see_the_others_are_refused_by_daemons(federation):
    one = attacked("trimmed_mean", attack={"name": "alie", "fraction": 0.34})
    answer = federation("up", federation.write(one), "--run", "up")
    assert answer.code == 2
    assert "no daemon is shown that" in answer.err


def deployed(tmp_path, **keys):
    return ClientDeployment(
        coordinator="localhost:1", folder=tmp_path, name="client-000000", **keys
    )


def test_a_client_lies_only_where_its_own_file_allows_it(tmp_path):
    me = ClientId("client-000000")
    with pytest.raises(ConfigError, match="lab = true"):
        terms.accepted(attacked("median"), deployed(tmp_path, local_files=True), me)
    assert terms.accepted(attacked("median"), deployed(tmp_path, lab=True), me) is None
    assert terms.accepted(scenario(), deployed(tmp_path), me) is None
