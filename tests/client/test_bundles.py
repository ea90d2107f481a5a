"""User code reaches a client as a bundle, and runs only if its owner has approved the digest."""

import json
import socket

import pytest
import tomli_w
from cli.daemons import daemons
from client.alone import PLAIN, alone, welcome

from fedplat.config import bundle
from fedplat.config import scenario as scenarios
from fedplat.config.app import load_app
from fedplat.errors import ConfigError, DataError
from fedplat.types import client_id

APP = b"""
import numpy as np
from beside import STEP

def initial(context):
    return {"w": np.zeros(3, np.float32)}

def evaluate(params, context):
    return {"loss": float(np.sum(params["w"])), "accuracy": 1.0}

def fit(params, context):
    return {"w": params["w"] + np.float32(STEP)}
"""
CODE = bundle.pack({"app.py": APP, "beside.py": b"STEP = 0.25\n"})
DIGEST = bundle.digest(CODE)


def table(**changes):
    plain = {key: value for key, value in PLAIN.items() if key != "model"}
    return {**plain, "app": "code.zip", "rounds": 2, **changes}


def write(folder, **changes):
    (folder / "code.zip").write_bytes(CODE)
    (folder / "scenario.toml").write_text(tomli_w.dumps(table(**changes)))
    return folder / "scenario.toml"


def test_a_scenario_names_its_bundle_by_digest(tmp_path):
    assert scenarios.load(write(tmp_path)).app_digest == DIGEST
    assert load_app(tmp_path / "code.zip", DIGEST).initial(None)["w"].shape == (3,)
    with pytest.raises(ConfigError, match=f"is the bundle {DIGEST}, the scenario names 00"):
        load_app(tmp_path / "code.zip", "00")
    (tmp_path / "code.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match="is no bundle"):
        load_app(tmp_path / "code.zip")


def test_a_bundle_that_is_not_approved_is_refused_with_what_to_write(tmp_path):
    asked = table(app_digest=DIGEST, app="/theirs/code.zip")
    words = rf'runs code of its own, the bundle {DIGEST}.*approved_bundles = \["{DIGEST}"\]'
    with alone(tmp_path / "a") as daemon, pytest.raises(ConfigError, match=words):
        daemon.welcomed(welcome(asked))
    other = {"approved_bundles": ["0" * 64]}
    with alone(tmp_path / "b", **other) as daemon, pytest.raises(ConfigError, match=words):
        daemon.welcomed(welcome(asked))


def test_an_approved_bundle_opens_no_other_file(tmp_path):
    reads = {"name": "csv", "path": "/etc/passwd", "label": "x"}
    asked = table(app_digest=DIGEST, data=reads)
    with (
        alone(tmp_path, approved_bundles=[DIGEST]) as daemon,
        pytest.raises(ConfigError, match="data.path = /etc/passwd"),
    ):
        daemon.welcomed(welcome(asked))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


@pytest.mark.slow
def test_the_coordinators_bundle_runs_at_clients_that_approve_it(tmp_path):
    write(tmp_path)
    address = f"127.0.0.1:{free_port()}"
    coordinator = {"scenario": "scenario.toml", "run": "run", "address": address}
    coordinator["data_address"] = "127.0.0.1:0"
    (tmp_path / "coordinator.toml").write_text(tomli_w.dumps(coordinator))
    with daemons(tmp_path) as fedplat:
        running = []
        for name in map(client_id, range(2)):
            settings = {"coordinator": address, "folder": name, "name": name}
            settings["approved_bundles"] = [DIGEST]
            (tmp_path / f"{name}.toml").write_text(tomli_w.dumps(settings))
            running.append(fedplat.start("client", "start", f"{name}.toml", "--json"))
        server = fedplat("server", "start", "coordinator.toml", "--json")
        ended = [(process.communicate(timeout=60), process.returncode) for process in running]
        simulated = fedplat("sim", "run", "scenario.toml", "--memory", "--json")
    assert server.code == 0 and [code for _, code in ended] == [0, 0], (server, ended)
    assert (tmp_path / client_id(0) / "bundles" / f"{DIGEST}.zip").read_bytes() == CODE
    last = json.loads(server.out.splitlines()[-1])
    assert last["digest"] == json.loads(simulated.out.splitlines()[-1])["digest"]
