"""Quarantine among real daemons: over kill -9 of the coordinator and of the client itself."""

import json

import pytest
from cli.daemons import COORDINATOR, daemons, scenario

from fedplat.cli.admin import operator
from fedplat.config import attacking
from fedplat_sim.run import Options, run

pytestmark = pytest.mark.slow
HELD = "client-000001"
RUN = ("--run", "up")


@pytest.fixture
def federation(tmp_path):
    with daemons(tmp_path) as one:
        yield one


def asked(federation, name, *words):
    """What the coordinator answers an operator, without a process for each question."""
    with operator(federation.local.path, None, None) as admin:
        return getattr(admin, name)(*words)


def standings(federation):
    with operator(federation.local.path, None, None) as admin:
        return {one.client: one for one in admin.clients()}


def rounds(federation):
    return asked(federation, "standing").round_id


def test_who_is_in_quarantine_takes_no_part_until_it_is_released(federation):
    file = federation.write(scenario(rounds=4000, **{"clients.count": 3}))
    assert federation("up", file, *RUN).code == 0
    federation.until(lambda: rounds(federation) > 2, "rounds with it")
    asked(federation, "pause")
    words = ("clients", "quarantine", HELD, *RUN, "--reason", "odd updates")
    assert federation(*words).out == f"{HELD}: in quarantine\n"
    federation.kill(COORDINATOR)
    federation.kill(HELD)
    assert federation("up", file, *RUN).code == 0
    since = standings(federation)[HELD].quarantine
    assert since.reason == "odd updates" and not since.alone
    begun = rounds(federation)
    asked(federation, "resume")
    federation.until(lambda: rounds(federation) > begun + 2, "rounds without it")
    asked(federation, "pause")
    federation.until(lambda: asked(federation, "standing").phase == "paused", "a pause")
    without = rounds(federation)
    asked(federation, "release", HELD)
    asked(federation, "resume")
    federation.until(lambda: rounds(federation) > without + 2, "rounds with it again")
    asked(federation, "abort", "enough")
    took_part = {
        one.round_id: HELD in {client for client, *_ in one.accepted}
        for one in federation.commits()
    }
    assert took_part[1] and took_part[2]  # the control
    assert not any(took_part[one] for one in range(begun + 1, without + 1))
    assert all(took_part[one] for one in range(without + 1, max(took_part) + 1))


def test_daemons_that_put_a_liar_in_quarantine_end_with_the_simulations_digest(federation):
    lying = {"attack": {"name": "sign_flip", "fraction": 0.25, "scale": 10.0}}
    robust = {"aggregator": "nnm | geometric_median", "num_byzantine": 1}
    after = {"clients.quarantine_after": {"suspicion": 0.9, "rounds": 2}}
    one = scenario(rounds=4, **lying, **robust, **after, **{"clients.count": 4})
    simulated = run(one, Options(executor="sequential"))
    answer = federation("up", federation.write(one), *RUN, "--follow", "--json")
    assert json.loads(answer.out.splitlines()[-1])["digest"] == simulated.digest
    commits, liars = federation.commits(), set(attacking.liars(one))
    assert [set(each.quarantined) for each in commits] == [set(), liars, set(), set()]
    assert [len(each.accepted) for each in commits] == [4, 4, 3, 3]
