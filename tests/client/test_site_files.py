"""A coordinator can not make a client read files, or run code, that its owner did not allow."""

import asyncio
from contextlib import ExitStack

import pytest

from fedplat.config import scenario as scenarios
from fedplat.config.deployment import ClientDeployment
from fedplat.errors import ConfigError
from fedplat.wire.session import Welcome
from fedplat_client.daemon import _Daemon

PLAIN = {
    "name": "files",
    "seed": 1,
    "rounds": 1,
    "algorithm": "fedavg",
    "data": {"name": "digits"},
    "partition": {"name": "iid"},
    "clients": {"count": 2},
    "model": {"name": "logistic"},
    "training": {"optimizer": "sgd", "lr": 0.1, "batch_size": 8, "epochs": 1},
}
READS = {**PLAIN, "data": {"name": "csv", "path": "/etc/passwd", "target": "x"}}
RUNS = {**{k: v for k, v in PLAIN.items() if k != "model"}, "app": "/tmp/anything.py"}


def welcomed(folder, scenario, **settings):
    """Lets a client hear the welcome of a coordinator with this scenario; what it would train."""
    deployment = ClientDeployment(
        coordinator="localhost:7700", folder=folder, name="client-000000", **settings
    )
    welcome = Welcome(1, 1, "fedplat", "{}", scenarios.parse(scenario).to_toml(), 20.0, 120.0, 1)

    async def hear(stack):
        daemon = _Daemon(deployment, lambda record: None, stack)
        daemon.welcomed(welcome)
        return daemon.trainer

    with ExitStack() as stack:
        return asyncio.run(hear(stack))


@pytest.mark.parametrize(("scenario", "key"), [(READS, "data.path"), (RUNS, "app")])
def test_a_scenario_that_names_files_is_refused_with_the_files(tmp_path, scenario, key):
    with pytest.raises(ConfigError, match=rf"{key} = /.*local_files = true"):
        welcomed(tmp_path, scenario)


@pytest.mark.parametrize("scenario", [READS, RUNS])
def test_its_owner_can_allow_them(tmp_path, scenario):
    assert welcomed(tmp_path, scenario, local_files=True) is not None


def test_a_scenario_without_files_needs_no_leave(tmp_path):
    assert welcomed(tmp_path, PLAIN) is not None
    assert scenarios.parse(PLAIN).files() == {}
