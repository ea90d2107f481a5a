"""What `make demo` shows: the quickstart over several seeds of split and training.

python -m benchmarks.quickstart [--quick] [--json FILE]

Each seed is a process of its own: `fedplat sim run … --seed N --json`, baselines included.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import ROOT, Report

SCENARIO = "simulations/scenarios/quickstart.toml"
CODE = ("fedplat", "simulations/fedplat_sim", SCENARIO, "benchmarks/quickstart.py")
MAIN = "from fedplat.cli.main import main; main()"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints the tables, writes the JSON; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quickstart")
    parser.add_argument("--quick", action="store_true", help="three seeds instead of five")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(arguments)
    seeds = range(1, 4 if args.quick else 6)
    report = Report("quickstart", {"quick": args.quick, "seeds": list(seeds)}, CODE)
    runs = [measured(seed) for seed in seeds]
    for run in runs:
        report.row(**run)
    add_figures(report, runs)
    report.finish(args.json)
    return 0


def measured(seed: int) -> dict[str, Any]:
    """One run of the quickstart: accuracies, and seconds from start to each of its results."""
    with tempfile.TemporaryDirectory() as folder:
        flags = ["sim", "run", SCENARIO, "--seed", str(seed), "--json", "--run", f"{folder}/run"]
        command = [sys.executable, "-c", MAIN, *flags]
        start, first_s = time.perf_counter(), 0.0
        records: list[dict[str, Any]] = []
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                records.append(json.loads(line))
                is_first = records[-1]["event"] == "round" and not first_s
                first_s = time.perf_counter() - start if is_first else first_s
        if process.returncode:
            raise SystemExit(f"seed {seed}: `fedplat sim run` ended with {process.returncode}")
    return {"seed": seed, **summary(records), "first_round_s": first_s}


def summary(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The accuracies and the seconds that a run told."""
    finished = records[-1]
    baselines = {one["name"]: one["accuracy"] for one in records if one["event"] == "baseline"}
    return {
        "accuracy": finished["accuracy"],
        "central": baselines["central"],
        "local_only": baselines["local_only"],
        "gap_to_central_pt": 100 * (baselines["central"] - finished["accuracy"]),
        "gain_over_local_pt": 100 * (finished["accuracy"] - baselines["local_only"]),
        "seconds": finished["seconds"],
        "digest": finished["digest"],
    }


def add_figures(report: Report, runs: Sequence[dict[str, Any]]) -> None:
    """Medians over the seeds, with the issue's targets."""

    def median(column: str) -> float:
        return statistics.median(run[column] for run in runs)

    how = f"median over seeds {report.settings['seeds']} of split and training"
    report.figure("quickstart.accuracy", median("accuracy"), "fraction", at_least=0.94, how=how)
    gap = median("gap_to_central_pt")
    report.figure("quickstart.gap_to_central_pt", gap, "points", at_most=3, how=how)
    gain = median("gain_over_local_pt")
    report.figure("quickstart.gain_over_local_pt", gain, "points", how=how)
    seconds = median("seconds")
    how = "median over seeds, the whole run with both baselines and the report"
    report.figure("quickstart.result_s", seconds, "s", at_most=60, how=how)


if __name__ == "__main__":
    sys.exit(main())
