"""A run that was stopped anywhere goes on to the digest of one that was not."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from small import Told, small

from fedplat.engine.events import Started
from fedplat.engine.journal import decode
from fedplat.errors import StorageError
from fedplat.storage.memory import MemoryBlobs, MemoryEvents, MemoryStates
from fedplat_sim.run import Options, Stores, run_on

SEQUENTIAL = Options(executor="sequential")


class DyingLog(MemoryEvents):
    """A log whose process dies at the given append: before it is written, or right after."""

    def __init__(self, at: int, after: bool) -> None:
        super().__init__()
        self._left, self._after = at, after

    def append(self, events, expected_version):
        self._left -= 1
        if self._left == 0 and not self._after:
            raise StorageError(where="test", reason="the process died")
        version = super().append(events, expected_version)
        if self._left == 0:
            raise StorageError(where="test", reason="the process died")
        return version


def last_word(log):
    """The last event that is not a process's beginning."""
    return [event for entry in log.read() if not isinstance(event := decode(entry), Started)][-1]


REMEMBERING = [  # what clients, or the coordinator, remember from round to round
    {"algorithm": "fedavg"},
    {"algorithm": "scaffold"},
    {"codec": "stc", "downlink": "topk"},
    {"codec": {"name": "terngrad", "scale": "shared"}},
]


@pytest.mark.parametrize("part", REMEMBERING, ids=str)
@pytest.mark.parametrize("after", [False, True], ids=["before-write", "after-write"])
def test_dying_at_any_append_and_going_on_gives_the_calm_runs_model(part, after):
    scenario = small(rounds=2, **part)
    calm_stores = Stores(MemoryEvents(), MemoryBlobs(), MemoryStates())
    calm = run_on(calm_stores, scenario, SEQUENTIAL)
    deaths = 0
    for at in range(1, 40):
        stores = Stores(DyingLog(at, after), MemoryBlobs(), MemoryStates())
        try:
            run_on(stores, scenario, SEQUENTIAL)
            break
        except StorageError:
            deaths += 1
        told = Told()
        again = run_on(stores, scenario, SEQUENTIAL, [told])
        assert again.digest == calm.digest
        assert again.accuracy == calm.accuracy
        assert last_word(stores.log) == last_word(calm_stores.log)
    assert deaths > 6


def start(tmp_path, *flags):
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(small(rounds=30).to_toml())
    code = "from fedplat.cli.main import main; main()"
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-c", code, "sim", "run", *flags],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_round(folder, process):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        metrics = folder / "metrics.jsonl"
        if metrics.exists() and '"event":"round"' in metrics.read_text():
            return
        time.sleep(0.005)
    pytest.fail(f"no round in time: {process.communicate()}")


def finish(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def test_ctrl_c_exits_130_and_says_how_to_resume_and_resuming_gives_the_same_digest(tmp_path):
    scenario, folder = tmp_path / "scenario.toml", tmp_path / "run"
    process = start(tmp_path, str(scenario), "--run", str(folder))
    wait_for_round(folder, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert f"fedplat sim run --resume {folder}" in err
    resumed = finish(start(tmp_path, "--resume", str(folder), "--json"))
    calm = finish(start(tmp_path, str(scenario), "--memory", "--json"))
    assert resumed["digest"] == calm["digest"]
    rounds = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [r["round"] for r in rounds if r["event"] == "round"] == list(range(1, 31))


def test_kill_9_and_resume_gives_the_same_digest(tmp_path):
    scenario, folder = tmp_path / "scenario.toml", tmp_path / "run"
    process = start(tmp_path, str(scenario), "--run", str(folder))
    wait_for_round(folder, process)
    process.kill()
    process.communicate()
    resumed = finish(start(tmp_path, "--resume", str(folder), "--json"))
    calm = finish(start(tmp_path, str(scenario), "--memory", "--json"))
    assert resumed["digest"] == calm["digest"]
