"""How fast and in how much memory the coordinator folds a round, beside reading and beside Flower.

python -m benchmarks.fold [--quick] [--json FILE]

Full: 100 updates of 10 million float32 values in memory (4 GB, twice with Flower's process), and
1,000 of them over a spool of 40 GB under `~/.cache/fedplat-bench`, which is removed again.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.figures import ROOT, Report, interleaved, median_ratio
from benchmarks.folding import updates
from benchmarks.peers import environments
from fedplat.aggregators.mean import Mean
from fedplat.runtime.folding import InMemory, fold
from fedplat.types import Digest

CODE = (
    "benchmarks/fold.py",
    "benchmarks/folding",
    "benchmarks/peers/run_flower_fold.py",
    "fedplat/aggregators",
    "fedplat/codecs",
    "fedplat/runtime/folding.py",
    "fedplat/runtime/folding_ahead.py",
    "fedplat/storage",
)
FLOWER_ARMS = {"aggregate": "strategy.aggregate", "arrayrecords": "aggregate_arrayrecords"}
SPARE_BYTES = 2 << 30


@dataclass(frozen=True)
class Plan:
    """How much is measured: in memory, and over the spool."""

    clients: int
    dim: int
    repeats: int
    peer_repeats: int
    spool_clients: int
    spool_dim: int
    threads: int


QUICK = Plan(100, 2_000_000, 7, 3, 40, 10_000_000, os.cpu_count() or 1)
FULL = Plan(100, 10_000_000, 11, 3, 1_000, 10_000_000, os.cpu_count() or 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints the tables, writes the JSON; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fold")
    parser.add_argument("--quick", action="store_true", help="a fifth of the values, a small spool")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(arguments)
    plan = QUICK if args.quick else FULL
    report = Report("fold", {"quick": args.quick, **asdict(plan)}, CODE)
    with tempfile.TemporaryDirectory() as folder:
        in_memory(plan, report, Path(folder))
    over_a_spool(plan, report)
    report.finish(args.json)
    return 0


# ── in memory: the floor, ours, Flower ───────────────────────────────────────────────────────────


def in_memory(plan: Plan, report: Report, folder: Path) -> None:
    """Readers and our fold in turn; then our fold and Flower's aggregations in turn."""
    rows = [torch.from_numpy(updates.row(index, plan.dim)) for index in range(plan.clients)]
    results: dict[str, torch.Tensor] = {}
    arms = {**_readers(rows, plan.threads), "fedplat fold": _ours(rows, plan, results)}
    seconds = interleaved(arms, plan.repeats)
    floor = [min(runs) for runs in zip(*(seconds[name] for name in _FLOORS), strict=True)]
    gigabytes = 4e-9 * plan.clients * plan.dim
    for name, runs in seconds.items():
        median = statistics.median(runs)
        report.row(arm=name, seconds=median, gb_per_s=gigabytes / median, runs=len(runs))
    report.figure(
        "fold.mean.vs_read_floor",
        median_ratio(seconds["fedplat fold"], floor),
        "ratio",
        at_most=1.25,
        how=f"median of {plan.repeats} turns; floor: the fastest of torch.sum, numpy.sum and "
        f"numpy.max over all rows in the same turn, {plan.threads} threads each",
    )
    _beside_flower(plan, report, arms["fedplat fold"], results, folder)


_FLOORS = ("read: torch.sum", "read: numpy.sum", "read: numpy.max")


def _readers(rows: list[torch.Tensor], threads: int) -> dict[str, Callable[[], object]]:
    arrays = [row.numpy() for row in rows]

    def with_torch() -> None:
        torch.set_num_threads(threads)
        for row in rows:
            row.sum()
        torch.set_num_threads(1)

    def with_numpy(reduce: np.ufunc) -> Callable[[], None]:
        def part(index: int) -> None:
            for array in arrays:
                bounds = [len(array) * i // threads for i in (index, index + 1)]
                reduce.reduce(array[slice(*bounds)])

        def read() -> None:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(part, range(threads)))

        return read

    return {
        "read: torch.sum": with_torch,
        "read: numpy.sum": with_numpy(np.add),
        "read: numpy.max": with_numpy(np.maximum),
    }


def _ours(
    rows: list[torch.Tensor], plan: Plan, results: dict[str, torch.Tensor]
) -> Callable[[], object]:
    named = {Digest(str(index)): InMemory(row) for index, row in enumerate(rows)}
    weights = [float(weight) for weight in updates.weights(plan.clients)]

    def run() -> None:
        digests = list(named)
        results["ours"] = fold(Mean(), digests, weights, named.__getitem__, threads=plan.threads)

    return run


def _beside_flower(
    plan: Plan,
    report: Report,
    ours: Callable[[], object],
    results: dict[str, torch.Tensor],
    folder: Path,
) -> None:
    best, how = None, "Flower could not be installed"
    try:
        seconds = _in_turn(plan, ours, folder)
    except environments.MissingPeerError as error:
        report.row(arm=f"flower: {error}")
    else:
        for arm, name in FLOWER_ARMS.items():
            theirs = torch.from_numpy(np.load(folder / f"{arm}.npy")).double()
            difference = float((theirs - results["ours"]).norm() / theirs.norm())
            speedup = median_ratio(seconds[arm], seconds["fedplat"])
            median = statistics.median(seconds[arm])
            report.row(
                arm=f"flower: {name}", seconds=median, speedup=speedup, differs_by=difference
            )
        best = median_ratio(seconds["aggregate"], seconds["fedplat"])
        how = f"median of {plan.peer_repeats} pairs; flwr's strategy.aggregate, updates in memory"
    report.figure("fold.mean.speedup_vs_flower", best, "ratio", at_least=10, how=how)


def _in_turn(plan: Plan, ours: Callable[[], object], folder: Path) -> dict[str, list[float]]:
    """Seconds of our fold and of each of Flower's aggregations, one after another."""
    seconds: dict[str, list[float]] = {"fedplat": [], **{arm: [] for arm in FLOWER_ARMS}}
    with flower(plan, folder) as ask:
        for _ in range(plan.peer_repeats):
            start = time.perf_counter()
            ours()
            seconds["fedplat"].append(time.perf_counter() - start)
            for arm in FLOWER_ARMS:
                seconds[arm].append(ask(arm))
    return seconds


@contextmanager
def flower(plan: Plan, folder: Path) -> Iterator[Callable[[str], float]]:
    """A process in Flower's environment that holds the same updates.

    Gives a function that has it run one aggregation and returns the seconds.
    """
    python = environments.interpreter(environments.BY_NAME["flower"])
    script = ROOT / "benchmarks" / "peers" / "run_flower_fold.py"
    command = [str(python), str(script), str(plan.clients), str(plan.dim), str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def answer() -> dict[str, float]:
            line = stdout.readline()
            if not line:
                raise environments.MissingPeerError("the process ended early")
            return dict(json.loads(line))

        def ask(arm: str) -> float:
            stdin.write(arm + "\n")
            stdin.flush()
            return answer()["seconds"]

        answer()
        yield ask
        stdin.close()


# ── over a spool ─────────────────────────────────────────────────────────────────────────────────


def over_a_spool(plan: Plan, report: Report) -> None:
    """Peak anonymous memory of a fold over files, in a process of its own."""
    cache = environments.cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    model_bytes = 4 * plan.spool_dim
    needed, free = plan.spool_clients * model_bytes, shutil.disk_usage(cache).free
    name, value = "fold.peak_over_model", None
    if free < needed + SPARE_BYTES:
        how = f"the spool takes {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
    else:
        sys.stderr.write(f"a spool of {needed / 1e9:.1f} GB in {cache} …\n")
        answer = _peak(plan, cache)
        value = max(answer["peak_bytes"], answer["ahead_peak_bytes"]) / model_bytes
        how = (
            f"RssAnon of the process, sampled every 2 ms, above idle (imports, compiled loop and "
            f"the buffer that updates are generated in); {plan.spool_clients} updates of "
            f"{plan.spool_dim:,} values stored in random order, a spool of "
            f"{answer['spool_bytes'] / 1e9:.1f} GB; the larger of folding ahead as they arrive and "
            f"folding when all are there; equals the plain loop: "
            f"{bool(answer['equals_plain_loop'])}, each other: {bool(answer['ahead_equals_fold'])}"
        )
        report.row(
            arm="fold over a spool",
            seconds=answer["fold_seconds"],
            gb_per_s=answer["spool_bytes"] / answer["fold_seconds"] / 1e9,
            peak_mb=answer["peak_bytes"] / 1e6,
            ahead_peak_mb=answer["ahead_peak_bytes"] / 1e6,
            spool_gb=answer["spool_bytes"] / 1e9,
            spool_seconds=answer["spool_seconds"],
        )
    report.figure(name, value, "ratio", at_most=3, how=how)


def _peak(plan: Plan, cache: Path) -> dict[str, float]:
    size = (str(plan.spool_clients), str(plan.spool_dim))
    with tempfile.TemporaryDirectory(dir=cache, prefix="spool-") as folder:
        command = [sys.executable, "-m", "benchmarks.folding.peak", *size, folder]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    return dict(json.loads(done.stdout))


if __name__ == "__main__":
    sys.exit(main())
