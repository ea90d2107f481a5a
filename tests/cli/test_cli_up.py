"""`fedplat up` and `down`, `server` and `client`: real daemons, and the simulation's digest."""

import json
import os
import signal
import socket
import tomllib
from pathlib import Path

import pytest
from cli.daemons import COORDINATOR, daemons, scenario

from fedplat.cli.local import Local, unfinished
from fedplat.config.deployment import ClientDeployment, CoordinatorDeployment, load

ROOT = Path(__file__).parents[2]


@pytest.fixture
def federation(tmp_path):
    with daemons(tmp_path) as one:
        yield one


def records(answer):
    return [json.loads(line) for line in answer.out.splitlines()]


# ── whole federations ────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_a_federation_of_daemons_ends_in_the_digest_of_the_simulation(federation):
    file = federation.write(scenario())
    deployed = federation("up", file, "--run", "up", "--follow", "--json")
    assert deployed.code == 0, deployed
    began, *told = records(deployed)
    told = [one for one in told if one["event"] != "client_environment"]
    assert began["event"] == "up" and set(began["pids"]) == set(federation.local.names)
    assert [one["event"] for one in told] == ["started", "round", "round", "round", "finished"]
    simulated = federation("sim", "run", file, "--memory", "--json", "--seed", 3)
    other = federation("sim", "run", file, "--memory", "--json", "--seed", 4)
    last, same, differs = told[-1], records(simulated)[-1], records(other)[-1]
    assert last["digest"] == same["digest"] != differs["digest"]
    assert (last["accuracy"], last["loss"]) == (same["accuracy"], same["loss"])
    assert last["bytes_up"] == 3 * 2 * 4 * 650
    assert (federation.local.run.path / "report.html").is_file()
    shown = federation("up", "--run", "up", "--follow", "--json")
    assert (shown.code, records(shown)[-1]["digest"]) == (0, last["digest"])
    assert "has finished" in shown.err
    refused = federation("down", "up")
    assert refused.code == 2 and "nothing to stop" in refused.err


@pytest.mark.slow
def test_down_stops_everything_and_up_goes_on_where_it_was(federation):
    file = federation.write(scenario(rounds=400))
    assert federation("up", file, "--clients", 2).code == 0
    local = Local(federation.path / "runs" / "small-up-001")
    federation.until(lambda: '"round":2' in local.run.metrics.read_text(), "two rounds")
    stopped = federation("down", "--json")
    assert (stopped.code, records(stopped)[0]["killed"]) == (0, [])
    assert not any(map(local.runs, local.names)) and not local.finished
    again = federation("down")
    assert again.code == 2 and "nothing to stop" in again.err
    follower = federation.start("up", file, "--clients", 2, "--follow", "--json")
    told = map(json.loads, iter(follower.stdout.readline, ""))
    told = (one for one in told if one["event"] != "client_environment")
    lines = [next(told) for _ in range(3)]
    assert lines[0]["run"] == "runs/small-up-001"  # not a second folder
    assert (lines[1]["event"], lines[2]["round"]) == ("started", 1)
    follower.send_signal(signal.SIGINT)
    _, err = follower.communicate(timeout=30)
    assert follower.returncode == 130
    assert "the daemons go on" in err and "Traceback" not in err
    assert all(map(local.runs, local.names))
    assert federation("down").code == 0


@pytest.mark.slow
def test_a_daemon_that_dies_at_once_is_shown_with_its_last_words(federation):
    answer = federation("up", federation.write(scenario(**{"algorithm": "fedbn"})), "--run", "up")
    assert answer.code == 2 and answer.out == ""
    assert "coordinator ended at once" in answer.err and "what works" in answer.err
    assert "coordinator.log" in answer.err and "Traceback" not in answer.err


@pytest.mark.slow
def test_a_port_in_use_is_said_with_what_to_do(federation):
    file = federation.write(scenario())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        table = f'scenario = "{file.name}"\nrun = "here"\naddress = "{address}"\n'
        (federation.path / "coordinator.toml").write_text(table)
        answer = federation("server", "start", "coordinator.toml")
    assert answer.code == 2 and answer.out == ""
    assert f"fedplat: {address}: can not be listened on: the port is in use" in answer.err
    assert "choose another" in answer.err and "E0000" not in answer.err


# ── what is refused before anything is started ───────────────────────────────────────────────────


def refused(answer, *words, code=2):
    assert (answer.code, answer.out) == (code, ""), answer
    assert "Traceback" not in answer.err
    for word in words:
        assert word in answer.err


def test_a_folder_of_something_else_is_refused_and_stays_as_it_is(fedplat):
    folder = fedplat.folder / "mine"
    folder.mkdir()
    (folder / "precious.txt").write_text("keep")
    refused(fedplat("up", fedplat.scenario(), "--run", "mine"), "is no folder of `fedplat up`")
    refused(fedplat("up", "--run", "mine"), "is no folder of `fedplat up`")
    refused(fedplat("down", "mine"), "is no folder of `fedplat up`")
    assert [path.name for path in folder.iterdir()] == ["precious.txt"]
    refused(fedplat("up", fedplat.scenario(), "--run", "mine/precious.txt"), "is a file")
    refused(fedplat("up", fedplat.scenario(), "--run", "mine/precious.txt/x"), code=7)


def test_a_folder_of_another_scenario_is_refused_with_what_differs(fedplat):
    (fedplat.folder / "up").mkdir()
    (fedplat.folder / "up" / "scenario.toml").write_text(scenario(rounds=7).to_toml())
    answer = fedplat("up", fedplat.scenario(scenario().to_toml()), "--run", "up")
    refused(answer, "another scenario", "rounds: 7 → 3", "another --run")


def test_flags_that_can_not_be_are_refused(fedplat):
    refused(fedplat("up"), "give a SCENARIO")
    refused(fedplat("up", "--run", "x", "--clients", 2), "give a SCENARIO")
    refused(fedplat("up", "none.toml"), "none.toml: can not be read")
    few = fedplat("up", fedplat.scenario(), "--clients", 3)
    refused(few, "per_round 4 is more than count 3", "leave it out")
    refused(fedplat("up", fedplat.scenario(), "--clients", 0), "count")
    refused(fedplat("down"), "nothing to stop")
    assert not (fedplat.folder / "runs").exists()


@pytest.mark.parametrize("name", ["../x", "", ".hidden", "a b", "authority", "x" * 65])
def test_a_name_that_is_none_gets_no_certificate(fedplat, name):
    refused(fedplat("server", "ca", "keys", "--", name), "is no name")
    assert not (fedplat.folder / "keys").exists()


@pytest.mark.parametrize("kind", ["server", "client"])
def test_a_daemons_file_that_is_not_there_is_named(fedplat, kind):
    refused(fedplat(kind, "start", "none.toml"), "none.toml: can not be read")


# ── keys, files, folders ─────────────────────────────────────────────────────────────────────────


def test_the_authority_answers_with_what_a_daemons_file_takes(fedplat):
    answer = fedplat("server", "ca", "keys", "coordinator", "--host", "fl.example.org")
    assert answer.code == 0
    tls = tomllib.loads(answer.out)["tls"]
    assert set(tls) == {"key", "certificate", "authority"}
    assert os.stat(tls["key"]).st_mode & 0o077 == 0
    assert all(os.path.isabs(path) for path in tls.values())  # wherever the file will lie
    [record] = fedplat("server", "ca", "keys", "client-000000", "--json").records
    assert record["authority"] == tls["authority"] and record["key"] != tls["key"]


@pytest.mark.parametrize(
    ("file", "kind"),
    [("server/coordinator.toml", CoordinatorDeployment), ("clients/client.toml", ClientDeployment)],
)
def test_the_sample_files_load_and_say_what_a_scenario_is(file, kind):

    loaded = load(ROOT / file, kind)
    assert loaded.tls is not None
    if isinstance(loaded, CoordinatorDeployment):
        assert loaded.scenario.resolve().is_file()


def test_the_newest_unfinished_folder_of_a_scenario_is_gone_on_with(tmp_path):
    for number, rounds in ((1, 3), (2, 3), (3, 7)):
        folder = tmp_path / f"small-up-00{number}"
        folder.mkdir()
        (folder / "scenario.toml").write_text(scenario(rounds=rounds).to_toml())
        (folder / "up.json").write_text("{}")
    (tmp_path / "small-up-003" / "scenario.toml").write_text("of = 'another version'")
    assert unfinished(tmp_path, scenario()) == tmp_path / "small-up-002"
    (tmp_path / "small-up-002" / COORDINATOR).mkdir()
    finished = '{"event":"finished","rounds":3}\n'
    (tmp_path / "small-up-002" / COORDINATOR / "metrics.jsonl").write_text(finished)
    assert unfinished(tmp_path, scenario()) == tmp_path / "small-up-001"
    assert unfinished(tmp_path, scenario(rounds=8)) is None


@pytest.mark.slow
def test_the_sample_files_run_a_federation(federation):
    """Copied to a folder, with ports that are free, one client and a small scenario."""
    for name in ("server/coordinator.toml", "clients/client.toml"):
        with socket.create_server(("127.0.0.1", 0)) as free, socket.create_server(("", 0)) as more:
            ports = free.getsockname()[1], more.getsockname()[1]
        text = (ROOT / name).read_text(encoding="utf-8").replace("clients = 3", "clients = 1")
        if name.startswith("server"):
            control, data = ports
        text = text.replace(":7700", f":{control}").replace(":7701", f":{data}")
        (federation.path / name).parent.mkdir()
        (federation.path / name).write_text(text)
    scenarios = federation.path / "simulations" / "scenarios"
    scenarios.mkdir(parents=True)
    (scenarios / "quickstart.toml").write_text(scenario().to_toml())
    keys = "server/keys"
    assert federation("server", "ca", keys, "coordinator", "--host", "localhost").code == 0
    assert federation("server", "ca", keys, "client-000000").code == 0
    (federation.path / "clients" / "keys").symlink_to(federation.path / keys)
    client = federation.start("client", "start", "clients/client.toml", "--json")
    server = federation("server", "start", "server/coordinator.toml", "--json")
    out, err = client.communicate(timeout=60)
    assert (server.code, client.returncode) == (0, 0), (server, err)
    told = records(server)
    assert told[0]["event"] == "listening" and told[0]["tls"] is True
    simulated = federation(
        "sim", "run", "simulations/scenarios/quickstart.toml", "--clients", 1, "--memory", "--json"
    )
    assert told[-1]["digest"] == records(simulated)[-1]["digest"]
    last = json.loads(out.splitlines()[-1])
    assert (last["event"], last["digest"]) == ("finished", told[-1]["digest"])
