"""The engines that are compared: how each is started, and what it is counted as."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.figures import ROOT

MODELS = ("cnn", "mlp")
PARALLEL = 2  # processes or threads: what the machine has cores
PEERS = ROOT / "benchmarks" / "peers"
Family = Literal["ours", "torch", "flower", "pfl", "blazefl"]
Command = list[str | Path]


@dataclass(frozen=True)
class Setting:
    """What every engine is given."""

    model: str
    rounds: int
    data: Path
    workload: Path


@dataclass(frozen=True)
class Engine:
    """One row of the table.

    `counts` says that the engine may stand in a target's denominator or numerator; the others are
    rows only.  `often` says that every repeat has it.  `threads` are those of each process,
    `processes` those that train.
    """

    name: str
    family: Family
    processes: int
    threads: int
    counts: bool
    often: bool
    models: tuple[str, ...]
    command: Callable[[Setting, Path], Command]

    def environment(self) -> dict[str, str]:
        """Variables for its process: threads, and no telemetry of anyone's."""
        threads = {} if self.family == "ours" else {"OMP_NUM_THREADS": str(self.threads)}
        quiet = {"FLWR_TELEMETRY_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0"}
        return {**threads, **quiet, **our_paths()}


def our_paths() -> dict[str, str]:
    """Lets a process of ours import the checkout, installed or not."""
    return {"PYTHONPATH": f"{ROOT}:{ROOT / 'simulations'}"}


def ours(*words: str | Path) -> Command:
    """A measurement of ours in a fresh process of this Python."""
    return [sys.executable, "-m", "benchmarks.simulation.ours", *words]


def _ours(executor: str, processes: int, counts: bool = False) -> Engine:
    def command(of: Setting, python: Path) -> Command:
        return ours("train", of.model, executor, str(processes), str(of.rounds), of.data)

    return Engine(f"fedplat {executor}", "ours", processes, 1, counts, counts, MODELS, command)


def _script(
    name: str,
    family: Family,
    processes: int,
    threads: int,
    *flags: str,
    counts: bool = True,
    often: bool = True,
    models: tuple[str, ...] = MODELS,
    launcher: tuple[str, ...] = (),
) -> Engine:
    def command(of: Setting, python: Path) -> Command:
        script = [PEERS / f"run_{family}.py", of.workload, of.model, "--rounds", str(of.rounds)]
        return [python, *launcher, *script, *flags]

    return Engine(name, family, processes, threads, counts, often and counts, models, command)


def _contiguous(family: Family, threads: int) -> Engine:
    """The CNN on contiguous images: with two threads either layout may be the faster one."""
    name = f"{family}, {threads} thread{'s' * (threads > 1)}, contiguous"
    flags = ("--threads", str(threads), "--contiguous")
    return _script(name, family, 1, threads, *flags, often=False, models=("cnn",))


_TWO = str(PARALLEL)
_TORCHRUN = ("-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={PARALLEL}")
ENGINES = (
    _ours("process_pool", PARALLEL, counts=True),
    _script("torch, 1 thread", "torch", 1, 1, "--threads", "1"),
    _script("torch, 2 threads", "torch", 1, PARALLEL, "--threads", _TWO),
    _script("pfl, 1 thread", "pfl", 1, 1, "--threads", "1"),
    _script("pfl, 2 threads", "pfl", 1, PARALLEL, "--threads", _TWO),
    _script("flower, 2 workers", "flower", PARALLEL, 1, "--parallel", _TWO),
    _script("blazefl, 2 client threads", "blazefl", 1, 1, "--threads", "1", "--parallel", _TWO),
    _contiguous("torch", 1),
    _contiguous("torch", PARALLEL),
    _contiguous("pfl", 1),
    _contiguous("pfl", PARALLEL),
    _ours("sequential", 1),
    _ours("cohort", 1),
    _script("pfl, 2 processes", "pfl", PARALLEL, 1, counts=False, launcher=_TORCHRUN),
    _script(
        "blazefl, 2 processes",
        "blazefl",
        PARALLEL,
        1,
        "--threads",
        "0",
        "--parallel",
        _TWO,
        counts=False,
    ),
)
BY_NAME: Mapping[str, Engine] = {engine.name: engine for engine in ENGINES}
OURS = "fedplat process_pool"


def flower_overhead(python: Path, workload: Path, rounds: int) -> Command:
    """Flower's rounds of 100 clients that do nothing."""
    return [
        python, PEERS / "run_flower.py", workload, "cnn", "--rounds", str(rounds),
        "--no-work", "--cohort", "100", "--parallel", _TWO,
    ]  # fmt: skip
