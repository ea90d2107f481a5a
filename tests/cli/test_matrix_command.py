"""`fedplat sim matrix` as a user starts it: JSON lines, tables, exit codes, Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sim.small_matrix import FLIP, conducted, loaded, written

ROOT = Path(__file__).parents[2]
QUICK = {"rules": ["mean", "bulyan"], "attacks": ["none"], "set": {"rounds": 1}}


def test_programs_get_json_lines_and_files_stand_in_the_folder(fedplat, tmp_path):
    file = written(tmp_path, **QUICK)
    answer = fedplat("sim", "matrix", file, "--folder", tmp_path / "out", "--json")
    assert answer.code == 0, answer.err
    assert [one["event"] for one in answer.records] == ["started", "cell", "finished"]
    mean, bulyan = answer.records[-1]["heatmap"]
    assert (mean["state"], bulyan["state"]) == ("done", "refused")
    assert 0 < mean["mean"] < 1 and "n >= 4f + 3" in bulyan["reason"]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"report.html", "heatmap.svg", "heatmap.png", "matrix.json", "cells.csv"} <= names


def test_people_get_a_table_and_the_progress_with_the_time_left(fedplat, tmp_path):
    file = written(tmp_path, **QUICK)
    answer = fedplat("sim", "matrix", file, "--folder", tmp_path / "out")
    assert answer.code == 0
    assert "1/1  mean · attack none, gamma 1.0, f 1 · seed 1  accuracy" in answer.err
    assert "left" in answer.err and "1 combinations refused" in answer.err
    assert "refused" in answer.out and "report:" in answer.out


def test_a_run_that_fails_ends_with_exit_code_3_and_a_bad_file_with_2(fedplat, tmp_path):
    failing = {**QUICK, "rules": ["mean"], "attacks": ["not_finite"]}
    answer = fedplat("sim", "matrix", written(tmp_path, **failing), "--folder", tmp_path / "out")
    assert answer.code == 3 and "1 of 1 runs came to no result" in answer.err
    assert "failed" in answer.out
    bad = fedplat("sim", "matrix", written(tmp_path, honest=0), "--folder", tmp_path / "bad")
    assert bad.code == 2 and "honest: must be whole" in bad.err
    assert not (tmp_path / "bad").exists()


@pytest.mark.slow
def test_ctrl_c_ends_with_130_says_how_to_go_on_and_going_on_gives_the_same_results(tmp_path):
    keys = {"attacks": ["none", "alie", "ipm", FLIP], "seeds": [1, 2], "set": {"rounds": 30}}
    file, out = written(tmp_path, **keys), tmp_path / "out"
    command = [sys.executable, "-m", "fedplat.cli", "sim", "matrix", str(file)]
    process = subprocess.Popen(
        [*command, "--folder", str(out), "--processes", "2", "--json"],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'simulations'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in process.stdout:
        if json.loads(line)["event"] == "cell":
            break
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert f"go on with: fedplat sim matrix {file} --folder {out}" in err
    assert "Traceback" not in err
    assert 1 <= len(list((out / "cells").iterdir())) < 16

    matrix = loaded(tmp_path, **keys)
    conducted(matrix, out)
    conducted(matrix, tmp_path / "at once")
    for name in ("matrix.json", "cells.csv", "report.html", "heatmap.svg"):
        assert (out / name).read_bytes() == (tmp_path / "at once" / name).read_bytes()
