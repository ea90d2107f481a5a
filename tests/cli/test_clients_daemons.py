"""Quarantine among real daemons: over kill -9 of the coordinator and of the client itself."""

import pytest
from cli.daemons import COORDINATOR, daemons, scenario

from fedplat.cli.admin import operator

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
