"""Real daemons and the simulation: equal where environments are, and told where they are not."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest
import torch
from cli.daemons import PATIENCE_S, environment, scenario

from fedplat.telemetry.metrics_file import read
from fedplat.telemetry.records import ClientEnvironment, Finished, Round, Warned
from fedplat_sim.run import Options, run

CLIENTS = ("client-000000", "client-000001")
OLD = {"ATEN_CPU_CAPABILITY": "default"}  # what torch computes with on an older processor


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated") / "run"
    run(scenario(), Options(executor="sequential", folder=folder, keep_updates=True))
    return folder


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


@contextmanager
def started(folder):
    """Starts daemons in `folder`; none is left behind."""
    begun = []

    def start(*words, **changes):
        process = subprocess.Popen(
            [sys.executable, "-m", "fedplat.cli", *words],
            cwd=folder,
            env={**environment(), **changes},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        return process

    try:
        yield start
    finally:
        for one in begun:
            one.kill()
            one.communicate()


def federation(folder, **of_the_last):
    """Runs a coordinator and two clients to the end; the last one's surroundings may be changed.

    Returns: what the coordinator said on standard error.
    """
    write(folder / "scenario.toml", scenario().to_toml())
    text = 'scenario = "scenario.toml"\nrun = "run"\naddress = "localhost:0"\nkeep_updates = true\n'
    with started(folder) as start:
        server = start("server", "start", write(folder / "coordinator.toml", text))
        listening = next(line for line in server.stderr if "localhost:" in line)
        address = "localhost:" + listening.partition("localhost:")[2].split(",")[0].split()[0]
        clients = []
        for name in CLIENTS:
            text = f'coordinator = "{address}"\nfolder = "{name}"\nname = "{name}"\n'
            changes = of_the_last if name == CLIENTS[-1] else {}
            file = write(folder / f"{name}.toml", text)
            clients.append(start("client", "start", file, **changes))
        said = [one.communicate(timeout=PATIENCE_S) for one in (server, *clients)]
        assert [one.returncode for one in (server, *clients)] == [0, 0, 0], said
        return said[0][1]


@pytest.mark.slow
def test_daemons_in_one_environment_are_equal_to_the_simulation_in_every_round(
    tmp_path, simulated, fedplat
):
    federation(tmp_path)
    answer = fedplat("diff", simulated, tmp_path / "run", "--json")
    assert answer.code == 0, answer
    assert answer.records[0]["clients"] == {} and answer.records[0]["environment"] == []
    assert answer.records[-1]["equal"] == 4
    records = read(tmp_path / "run" / "metrics.jsonl")
    kept = [one for one in records if isinstance(one, ClientEnvironment)]
    assert sorted(one.client for one in kept) == list(CLIENTS)
    assert [one.unlike for one in records if isinstance(one, Round)] == [0, 0, 0]
    assert not [one for one in records if isinstance(one, Warned) and "environment" in one.text]


@pytest.mark.slow
@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() == "DEFAULT" or OLD.items() <= os.environ.items(),
    reason="no processor is older than this one",
)
def test_a_client_on_an_older_processor_is_warned_of_counted_and_named_by_diff(
    tmp_path, simulated, fedplat
):
    said = federation(tmp_path, **OLD)
    unlike = f"cpu_capability DEFAULT ≠ {torch.backends.cpu.get_cpu_capability()}"
    assert f"warning: {CLIENTS[1]} computes in another environment" in said and unlike in said
    assert said.count("computes in another environment than") == 1
    records = read(tmp_path / "run" / "metrics.jsonl")
    assert [one.unlike for one in records if isinstance(one, Round)] == [1, 1, 1]
    assert next(one for one in records if isinstance(one, Finished)).unlike_clients == 1
    elsewhere = shutil.copytree(tmp_path / "run", tmp_path / "elsewhere")
    answer = fedplat("diff", elsewhere, simulated, "--json")
    assert answer.records[0]["clients"] == {CLIENTS[1]: [unlike]}
    if answer.code == 5:  # it depends on the processor whether the last bits differ
        assert f"the environments of clients differ ({CLIENTS[1]}: {unlike})" in answer.err
        first = next(one for one in answer.records if one.get("round") and not one["equal"])
        assert [one["client"] for one in first["updates"]] == [CLIENTS[1]]
    else:
        assert answer.code == 0 and answer.records[-1]["equal"] == 4
