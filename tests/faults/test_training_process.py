"""A training process that dies: its task is done once more, and then it has failed."""

import asyncio

import pytest
from cli.daemons import environment, scenario

from fedplat.config import scenario as scenarios
from fedplat.config.build import build
from fedplat.runtime.client_work import ClientTask, Done, Failed
from fedplat.runtime.server_work import ServerWork
from fedplat.storage.memory import MemoryBlobs
from fedplat.types import client_id
from fedplat_client.trainer import Limits, Trainer

pytestmark = pytest.mark.slow

APP = """
import os, pathlib, signal
import numpy as np

def initial(context):
    return {"w": np.zeros(3, np.float32)}

def evaluate(params, context):
    return {"loss": 0.5}

def fit(params, context):
    flag = pathlib.Path("FLAG")
    if MUST_DIE(flag):
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return params
"""


def outcome(folder, must_die):
    (folder / "app.py").write_text(
        APP.replace("MUST_DIE(flag)", must_die).replace("FLAG", str(folder / "died"))
    )
    table = scenario().model_dump(mode="json", exclude_none=True)
    own = scenarios.parse({**table, "model": None, "app": str(folder / "app.py")})
    parts, blobs = build(own), MemoryBlobs()
    begun = ServerWork(parts.work.cargo, parts.rule, blobs, 2).initialise(0.0)
    (folder / "broadcast").write_bytes(blobs.get(begun.broadcast))
    trainer = Trainer(folder / "training", Limits(sandbox="off"))  # it leaves a mark
    task = ClientTask(client_id(0), 1, "fit", begun.broadcast)

    async def done():
        try:
            await trainer.load(own)
            return await trainer.do(task, folder / "broadcast")
        finally:
            trainer.stop()

    found = asyncio.run(done())
    assert list((folder / "training").iterdir()) == []  # nothing is left behind
    return found


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])


def test_a_task_during_which_the_process_was_killed_is_done_once_more(tmp_path):
    assert isinstance(outcome(tmp_path, "not flag.exists()"), Done)
    assert (tmp_path / "died").exists()


def test_a_task_that_kills_the_process_every_time_has_failed(tmp_path):
    failed = outcome(tmp_path, "True")
    assert isinstance(failed, Failed)
    assert "signal 9" in str(failed.error) and "memory_mb" in str(failed.error)
