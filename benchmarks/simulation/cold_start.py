"""How long a user waits until the first round begins, beside what torch alone takes to import."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.simulation.engines import our_paths
from benchmarks.simulation.process import MeasurementError

SCENARIO = """\
name = "cold-start"
seed = 1
rounds = 1
data = { name = "digits" }
model = { name = "logistic" }
[clients]
count = 2
[training]
steps = 1
[evaluation]
federated = "never"
"""
COMMAND = "from fedplat.cli.main import main; main()"
TIMEOUT_S = 120


def pair() -> dict[str, Any]:
    """Seconds of `import torch` and of a minimal `fedplat sim run`, one after the other.

    `dispatched_s` is from the start of the process until the run says that it has started: the
    scenario is read, the data split, the worker processes forked, and the first offers go out.
    """
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder) / "scenario.toml"
        scenario.write_text(SCENARIO)
        return {"import_torch_s": import_torch(), **sim_run(scenario, Path(folder))}


def import_torch() -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True, timeout=TIMEOUT_S)
    return time.perf_counter() - start


def sim_run(scenario: Path, cwd: Path) -> Mapping[str, float]:
    """Seconds until the first round is dispatched, until it is committed, and until the exit."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "sim", "run", str(scenario), "--memory", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, **our_paths()},
    )
    seen: dict[str, float] = {}
    for line in process.stdout or ():
        seen.setdefault(_event(line), time.perf_counter() - start)
    _, errors = process.communicate(timeout=TIMEOUT_S)
    if process.returncode != 0 or not {"started", "round"} <= seen.keys():
        raise MeasurementError(f"exit code {process.returncode}: {errors.strip()[-300:]}")
    return {
        "dispatched_s": seen["started"],
        "round_s": seen["round"],
        "exit_s": time.perf_counter() - start,
    }


def _event(line: str) -> str:
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        return ""
    return str(record.get("event", "")) if isinstance(record, dict) else ""
