"""The training process: no network, no file written but in its own folder, no secrets about it."""

import asyncio
import json
import os
import subprocess
import sys

import pytest
from client.alone import PLAIN

from fedplat.config import scenario as scenarios
from fedplat.config.build import build
from fedplat.errors import ConfigError
from fedplat.runtime.client_work import ClientTask, Failed
from fedplat.runtime.server_work import ServerWork
from fedplat.storage.memory import MemoryBlobs
from fedplat.types import client_id
from fedplat_client.sandbox import CALLS, Confined, confine
from fedplat_client.trainer import Limits, Trainer, _unconfined

pytestmark = pytest.mark.slow

APP = """
import json, os, pathlib, signal, socket, tempfile, threading
import numpy as np

def initial(context):
    return {"w": np.zeros(3, np.float32)}

def evaluate(params, context):
    return {"loss": 0.5}

def internet():
    socket.create_connection(("127.0.0.1", PORT), 1).close()

def datagram():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"data", ("127.0.0.1", PORT))

def unix():
    socket.socket(socket.AF_UNIX).connect("\\0nobody")

def write():
    pathlib.Path("OUTSIDE").write_text("data")

def append():
    pathlib.Path("OUTSIDE").open("a")

def remove():
    pathlib.Path("MINE").unlink()

def parent():
    os.kill(os.getppid(), 0)

def child():
    if os.system("echo data > OUTSIDE") != 0:
        raise PermissionError

def thread():
    found = []
    def work():
        try:
            write()
        except OSError as error:
            found.append(error)
    one = threading.Thread(target=work)
    one.start()
    one.join()
    if found:
        raise found[0]

def spool():
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("mine")
    os.rename(tempfile.mkdtemp(), os.path.join(tempfile.gettempdir(), "renamed"))

def read():
    pathlib.Path("MINE").read_text()

TRIES = (internet, datagram, unix, write, append, parent, child, thread, spool, read, remove)

def fit(params, context):
    found = {}
    for one in TRIES:
        try:
            one()
            found[one.__name__] = True
        except OSError:
            found[one.__name__] = False
    raise RuntimeError(json.dumps([found, dict(os.environ)]) + "END")
"""
REFUSED = {"internet", "datagram", "write", "append", "parent", "child", "thread", "remove"}


def tried(folder, port, **limits):
    """What the user's code could do in the training process, and its environment."""
    (folder / "mine").write_text("precious")
    app = APP.replace("OUTSIDE", str(folder / "outside")).replace("MINE", str(folder / "mine"))
    (folder / "app.py").write_text(app.replace("PORT", str(port)))
    table = {**PLAIN, "app": str(folder / "app.py")}
    table.pop("model")
    own, blobs = scenarios.parse(table), MemoryBlobs()
    parts = build(own)
    begun = ServerWork(parts.work.cargo, parts.rule, blobs, 2).initialise(0.0)
    (folder / "broadcast").write_bytes(blobs.get(begun.broadcast))

    async def done():
        trainer = Trainer(folder / "training", Limits(**limits))
        try:
            await trainer.load(own)
            task = ClientTask(client_id(0), 1, "fit", begun.broadcast)
            return trainer.sandbox, await trainer.do(task, folder / "broadcast")
        finally:
            trainer.stop()

    sandbox, failed = asyncio.run(done())
    assert isinstance(failed, Failed)
    text = str(failed.error)
    return sandbox, *json.loads(text[text.index("[") : text.index("END")])


@pytest.fixture
def port():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


needs_linux = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.uname().machine not in CALLS,
    reason="this machine has no sandbox",
)


@needs_linux
def test_users_code_reaches_no_network_and_writes_nothing_but_its_spool(tmp_path, port):
    sandbox, could, _ = tried(tmp_path, port)
    if sandbox["missing"]:
        pytest.skip(f"this kernel lacks {sandbox['missing']}")
    assert {name for name, one in could.items() if not one} == REFUSED | {"unix"}
    assert could["spool"] and could["read"]
    assert not (tmp_path / "outside").exists() and (tmp_path / "mine").exists()


def test_without_the_sandbox_the_same_code_can_do_all_of_that(tmp_path, port):
    sandbox, could, _ = tried(tmp_path, port, sandbox="off")
    assert sandbox == {"holds": [], "missing": {}}
    assert all(could[name] for name in REFUSED | {"spool", "read"})
    assert (tmp_path / "outside").exists() and not (tmp_path / "mine").exists()


def test_the_process_knows_nothing_of_the_daemons_secrets(tmp_path, port, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "4711")
    monkeypatch.setenv("HF_TOKEN", "4711")
    monkeypatch.setenv("https_proxy", "http://user:4711@proxy:1")
    _, _, environment = tried(tmp_path, port)
    assert "4711" not in json.dumps(environment)
    assert environment["HOME"].startswith(str(tmp_path)) and "PATH" in environment


def test_a_machine_that_can_not_is_refused_where_a_sandbox_is_required():
    error = _unconfined({"network": "Function not implemented"})
    assert isinstance(error, ConfigError)
    assert "network: Function not implemented" in str(error) and "what works" in str(error)


def test_what_does_not_hold_is_said_and_not_claimed(tmp_path):
    """In a process of its own: a sandbox can not be taken off again."""
    code = "from fedplat_client import sandbox; from pathlib import Path; sandbox.CALLS = {}; "
    code += f"print(sandbox.confine(Path({str(tmp_path / 'none')!r})))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    found = eval(answer.stdout, {"Confined": Confined})
    assert found.holds == () and set(found.missing) == {"files", "network"}, answer
    assert "no filter is known" in found.missing["network"]
    assert callable(confine)
