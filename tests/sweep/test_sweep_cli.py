"""`fedplat sim sweep` as a user starts it: exit codes, Ctrl-C, JSON lines."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from small_sweep import SCENARIO, SWEEP, conducted, loaded, written
from typer.testing import CliRunner

from fedplat.cli.sim import app

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def log(tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTED_EVALUATIONS", str(tmp_path / "evaluations.jsonl"))


def started(file: Path, folder: Path, fit_takes_s: float) -> subprocess.Popen:
    paths = [str(ROOT), str(ROOT / "simulations")]
    command = [sys.executable, "-c", "from fedplat.cli.main import main; main()", "sim", "sweep"]
    return subprocess.Popen(
        [*command, str(file), "--folder", str(folder), "--processes", "2", "--json"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "FIT_TAKES_S": str(fit_takes_s)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_ctrl_c_ends_with_130_says_how_to_go_on_and_going_on_gives_the_same_results(tmp_path):
    file = written(tmp_path, {**SWEEP, "seeds": [1, 2, 3]})
    process = started(file, tmp_path / "out", fit_takes_s=0.3)
    for line in process.stdout:
        if json.loads(line)["event"] == "cell":
            break
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert f"go on with: fedplat sim sweep {file} --folder {tmp_path / 'out'}" in err
    assert "Traceback" not in err
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # nobody is left behind
    done = len(list((tmp_path / "out" / "cells").iterdir()))
    assert 1 <= done < 6

    sweep = loaded(tmp_path, seeds=[1, 2, 3])
    conducted(sweep, tmp_path / "out")
    conducted(sweep, tmp_path / "at once")
    for name in ("table.csv", "cells.csv", "report.html"):
        interrupted = (tmp_path / "out" / name).read_bytes()
        assert interrupted == (tmp_path / "at once" / name).read_bytes()


def test_json_lines_tell_cells_choices_and_the_table(tmp_path):
    table = {**SWEEP, "arms": {"a": {"tune": {"training.lr": [0.1, 0.9]}}}, "seeds": [1]}
    file = written(tmp_path, table, SCENARIO)
    result = CliRunner().invoke(
        app, ["sweep", str(file), "--folder", str(tmp_path / "out"), "--json"]
    )
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    events = [line["event"] for line in lines]
    assert events == ["started", "cell", "cell", "chosen", "cell", "finished"]
    assert lines[-2]["done"] == lines[-2]["cells"] == 3
    assert lines[-1]["rows"][0]["mean"] == lines[-2]["measures"]["accuracy"]


def test_plain_lines_show_cells_time_left_and_the_table(tmp_path):
    file = written(tmp_path, SWEEP)
    result = CliRunner().invoke(app, ["sweep", str(file), "--folder", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert re.search(r"4/4  (slow|fast|\w+) · seed [12]  accuracy", result.output)
    assert "left" in result.output
    assert "− fast, points" in result.output
    assert str(tmp_path / "out" / "report.html") in result.output
