"""`fedplat up` in a folder that was begun before says what it did there."""

import json

import pytest
from cli.daemons import COORDINATOR, daemons, scenario

from fedplat.cli import local as locals_
from fedplat.cli.naming import MOST_NAMES, few
from fedplat.config.deployment import ClientDeployment, load

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


def test_updates_are_kept_for_a_replay_and_go_on_being_kept(federation):
    file = federation.write(scenario(rounds=2))
    words = ("up", file, "--run", "up")
    assert federation(*words, "--keep-updates", "--sandbox", "off").code == 0
    federation.until(lambda: not federation.local.runs(COORDINATOR), "the end")
    mine = load(federation.local.file("client-000000"), ClientDeployment)
    assert mine.sandbox == "off"
    replayed = federation("replay", "up")
    assert replayed.code == 0 and "2 equal, 0 different" in replayed.out
    assert federation("report", "up").code == 0
    assert locals_._keeps_updates(federation.local)


def test_data_of_a_hub_leave_the_sandbox_and_others_do_not(tmp_path):
    for name, expected in (("digits", "available"), ("hf:ylecun/mnist", "off")):
        local = locals_.Local(tmp_path / expected)
        local.path.mkdir()
        local.scenario.write_text(scenario(data={"name": name}).to_toml())
        assert locals_.sandbox_for(local) == expected


def test_many_names_are_counted():
    names = [f"client-{index}" for index in range(MOST_NAMES + 1)]
    assert few(names[:-1]) == ", ".join(names[:-1])
    assert few(names).endswith(" and 1 more") and names[-1] not in few(names)
