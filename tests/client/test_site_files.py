"""A coordinator can not make a client read files, or run code, that its owner did not allow."""

import asyncio

import pytest
from client.alone import PLAIN, alone, welcome

from fedplat.config import scenario as scenarios
from fedplat.errors import ConfigError

READS = {**PLAIN, "data": {"name": "csv", "path": "/etc/passwd", "target": "x"}}
RUNS = {**{k: v for k, v in PLAIN.items() if k != "model"}, "app": "/tmp/anything.py"}


def begins(folder, scenario, **settings):
    """Lets a client hear the welcome of a coordinator with this scenario; whether it begins."""

    async def hear(daemon):
        daemon.welcomed(welcome(scenario))
        daemon.loading.cancel()
        return True

    with alone(folder, **settings) as daemon:
        return asyncio.run(hear(daemon))


@pytest.mark.parametrize(("scenario", "key"), [(READS, "data.path"), (RUNS, "app")])
def test_a_scenario_that_names_files_is_refused_with_the_files(tmp_path, scenario, key):
    with pytest.raises(ConfigError, match=rf"{key} = /.*local_files = true"):
        begins(tmp_path, scenario)


@pytest.mark.parametrize("scenario", [READS, RUNS])
def test_its_owner_can_allow_them(tmp_path, scenario):
    assert begins(tmp_path, scenario, local_files=True)


def test_a_scenario_without_files_needs_no_leave(tmp_path):
    assert begins(tmp_path, PLAIN)
    assert scenarios.parse(PLAIN).files() == {}
