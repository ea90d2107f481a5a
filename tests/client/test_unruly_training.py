"""Users' code that misuses the training process's line and folder: it fails, and nothing else."""

import asyncio
import os
import sys
import time

import pytest
import torch
from client.alone import PLAIN

from fedplat.config import scenario as scenarios
from fedplat.config.build import build
from fedplat.params import encode_state
from fedplat.runtime.client_work import ClientTask, Done, Failed
from fedplat.runtime.server_work import ServerWork
from fedplat.storage.memory import MemoryBlobs
from fedplat.types import State, client_id
from fedplat_client.sandbox import CALLS
from fedplat_client.trainer import Limits, Trainer

pytestmark = pytest.mark.slow

APP = """
import os, pathlib, subprocess, sys, time
import numpy as np

def initial(context):
    return {"w": np.zeros(3, np.float32)}

def evaluate(params, context):
    return {"loss": 0.5}

def fit(params, context):
    LINE, ROOM = int(sys.argv[1]), pathlib.Path(sys.argv[2])
    WHAT
    return params
"""
STATE = encode_state(State({"mine": torch.ones(3)}))


def outcomes(folder, what, tasks=1, **limits):
    """What becomes of tasks, one after the other, when `what` stands in the user's `fit`."""
    app = APP.replace("WHAT", what.replace("OUTSIDE", str(folder / "outside")))
    (folder / "app.py").write_text(app)
    table = {**PLAIN, "app": str(folder / "app.py")}
    table.pop("model")
    own, blobs = scenarios.parse(table), MemoryBlobs()
    parts = build(own)
    begun = ServerWork(parts.work.cargo, parts.rule, blobs, 2).initialise(0.0)
    (folder / "broadcast").write_bytes(blobs.get(begun.broadcast))
    task = ClientTask(client_id(0), 1, "fit", begun.broadcast, STATE)

    async def done():
        trainer = Trainer(folder / "training", Limits(**limits))
        try:
            await trainer.load(own)
            return [await trainer.do(task, folder / "broadcast") for _ in range(tasks)]
        finally:
            trainer.stop()

    return asyncio.run(done())


def test_code_that_behaves_is_done(tmp_path):
    (found,) = outcomes(tmp_path, "pass")
    assert isinstance(found, Done), found


@pytest.mark.parametrize(
    "what",
    [
        "os.write(LINE, b'hello\\n')",
        "os.write(LINE, b'x' * (17 << 20))",
        "os.write(LINE, b'{\"step\": -1}\\n')",
        "os.write(LINE, b''.join(b'{\"step\": %d}\\n' % step for step in range(1, 999)))",
        'os.write(LINE, b\'{"update": "../../outside", "weight": 1, "metrics": {}}\\n\')',
        "(ROOM / 'update.bin').symlink_to('/etc/hostname'); "
        'os.write(LINE, b\'{"update": null, "weight": 1, "metrics": {}}\\n\'); time.sleep(9)',
    ],
    ids=["garbage", "endless", "no-step", "steps-at-once", "another-place", "link"],
)
def test_what_it_says_in_the_daemons_line_fails_its_own_task(tmp_path, what):
    before = sorted(one.name for one in tmp_path.parent.iterdir())
    (found,) = outcomes(tmp_path, what)
    assert isinstance(found, Failed), found
    assert "in a way that it never does" in str(found.error)
    assert sorted(one.name for one in tmp_path.parent.iterdir()) == before


def test_a_step_that_it_claims_is_no_answer(tmp_path):
    (found,) = outcomes(tmp_path, "os.write(LINE, b'{\"step\": 7}\\n')")
    assert isinstance(found, Done), found


def test_closing_the_line_is_a_death_like_any_other(tmp_path):
    (found,) = outcomes(tmp_path, "import socket; socket.socket(fileno=LINE).shutdown(2)")
    assert isinstance(found, Failed), found


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.uname().machine not in CALLS,
    reason="this machine has no sandbox",
)
@pytest.mark.parametrize("place", ["ROOM / 'before.bin'", "ROOM.parent / 'state.bin'"])
def test_the_daemon_writes_through_no_link_that_it_has_planted(tmp_path, place):
    what = f"""
    try:
        ({place}).unlink(missing_ok=True)
        ({place}).symlink_to("OUTSIDE")
    except PermissionError:
        pass"""
    found = outcomes(tmp_path, what, tasks=2)
    assert all(isinstance(one, Done) for one in found), found
    assert not (tmp_path / "outside").exists()


def test_without_the_sandbox_the_same_link_leads_out(tmp_path):
    what = """
    (ROOM.parent / 'state.bin').unlink(missing_ok=True)
    (ROOM.parent / 'state.bin').symlink_to("OUTSIDE")"""
    outcomes(tmp_path, what, tasks=2, sandbox="off")
    assert (tmp_path / "outside").read_bytes() == STATE


def test_what_it_has_started_ends_with_it(tmp_path):
    what = """
    beat = "import time,pathlib\\nwhile 1: pathlib.Path('OUTSIDE').touch(); time.sleep(0.02)"
    subprocess.Popen([sys.executable, "-c", beat])
    time.sleep(1)"""
    (found,) = outcomes(tmp_path, what, sandbox="off")
    assert isinstance(found, Done), found
    assert (tmp_path / "outside").exists()
    (tmp_path / "outside").unlink()
    time.sleep(0.3)
    assert not (tmp_path / "outside").exists()


def test_it_has_no_terminal_to_type_into(tmp_path):
    (found,) = outcomes(tmp_path, "assert os.getsid(0) == os.getpid()")
    assert isinstance(found, Done), found
