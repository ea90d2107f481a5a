"""`fedplat up` in a folder that was begun before says what it did there."""

import json

import pytest
from cli.daemons import COORDINATOR, daemons, scenario

from fedplat.cli.naming import MOST_NAMES, few

pytestmark = pytest.mark.slow


@pytest.fixture
def federation(tmp_path):
    with daemons(tmp_path) as one:
        yield one


def test_what_was_killed_is_named_when_it_is_started_again(federation):
    file = federation.write(scenario(rounds=400))
    first = federation("up", file, "--run", "up")
    assert first.out.startswith("up: the coordinator listens on")
    assert federation("up", file, "--run", "up").out.startswith("up runs already: ")
    federation.kill("client-000001")
    killed = federation("up", file, "--run", "up")
    assert killed.out.startswith("up goes on, with client-000001 started again: ")
    federation.kill(COORDINATOR)
    answer = json.loads(federation("up", file, "--run", "up", "--json").out)
    assert answer["started"] == [COORDINATOR]
    assert set(answer["pids"]) == set(federation.local.names)


def test_many_names_are_counted():
    names = [f"client-{index}" for index in range(MOST_NAMES + 1)]
    assert few(names[:-1]) == ", ".join(names[:-1])
    assert few(names).endswith(" and 1 more") and names[-1] not in few(names)
