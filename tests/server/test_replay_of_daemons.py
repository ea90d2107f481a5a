"""A coordinator's run is replayed like a simulation's: yesterday's round, on another machine."""

import shutil
import subprocess
import sys

import pytest
from cli.daemons import PATIENCE_S, environment, scenario


def start(folder, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "fedplat.cli", *words],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.slow
def test_a_run_of_daemons_that_kept_its_updates_is_equal_when_it_is_replayed(tmp_path, fedplat):
    write(tmp_path / "scenario.toml", scenario().to_toml())
    common = 'scenario = "scenario.toml"\nrun = "run"\naddress = "localhost:0"\n'
    server = start(
        tmp_path, "server", "start", "--json",
        write(tmp_path / "coordinator.toml", common + "keep_updates = true\n"),
    )  # fmt: skip
    clients = []
    try:
        listening = next(line for line in server.stdout if '"listening"' in line)
        address = listening.partition('"address":')[2].split('"')[1]
        for index in range(2):
            text = f'coordinator = "{address}"\nfolder = "c{index}"\nname = "client-00000{index}"\n'
            file = write(tmp_path / f"client{index}.toml", text)
            clients.append(start(tmp_path, "client", "start", file))
        for one in (server, *clients):
            _, words = one.communicate(timeout=PATIENCE_S)
            assert one.returncode == 0, words
    finally:
        for one in (server, *clients):
            one.kill()
            one.communicate()
    elsewhere = shutil.copytree(tmp_path / "run", tmp_path / "elsewhere")
    answer = fedplat("replay", elsewhere, "--json")
    assert answer.code == 0, answer
    assert answer.records[-1] == {"event": "finished", "equal": 3, "different": 0, "not_kept": 0}
