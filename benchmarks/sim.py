"""How fast and how exact the simulation is, beside plain torch, Flower, pfl-research and BlazeFL.

python -m benchmarks.sim [--quick] [--json FILE] [--data DIR] [--fresh]

Needs MNIST's four IDX files.  Makes an environment for each peer once, under
`~/.cache/fedplat-bench`; every measurement is a process of its own and is stored there, so that an
interrupted run goes on where it was.
"""

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import ROOT, Report, code_hash, machine
from benchmarks.peers import environments
from benchmarks.simulation import scenarios
from benchmarks.simulation.cells import Cells, stamp
from benchmarks.simulation.engines import PARALLEL, our_paths
from benchmarks.simulation.process import MEMORY_KIND
from benchmarks.simulation.process import measure as run_process
from benchmarks.simulation.results import add_figures, add_rows, measure
from benchmarks.simulation.session import FULL, QUICK, Plan, Session

CODE = (
    "benchmarks/peers",
    "benchmarks/sim.py",
    "benchmarks/simulation",
    "fedplat",
    "simulations/fedplat_sim",
)
DEFAULT_DATA = ROOT.parent / "shared" / "data" / "mnist"
WORKLOAD_TIMEOUT_S = 300.0
IMAGES = "train-images-idx3-ubyte"
NO_DATA = """\
benchmarks.sim: there is no MNIST in {folder}
Give the folder with its four IDX files (gzip or not) by --data DIR.  They are to be had from
https://ossci-datasets.s3.amazonaws.com/mnist/ (train-images-idx3-ubyte.gz,
train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures what is not stored yet, prints tables, writes the JSON; returns the exit code."""
    args = _parse(arguments)
    if not any((args.data / name).is_file() for name in (IMAGES, f"{IMAGES}.gz")):
        sys.stderr.write(NO_DATA.format(folder=args.data))
        return 2
    plan = QUICK if args.quick else FULL
    missing: dict[str, str] = {}
    pythons = {"ours": Path(sys.executable), "torch": Path(sys.executable), **_peers(missing)}
    versions = {
        peer.name: environments.versions(pythons[peer.name], list(peer.pins))
        for peer in environments.ENGINES
        if peer.name in pythons
    }
    root, stamped = environments.cache_folder(), stamp(code_hash(CODE), machine(), versions)
    cells = Cells(root / "cells" / f"sim-{'quick' if args.quick else 'full'}", stamped)
    if args.fresh and cells.folder.exists():
        shutil.rmtree(cells.folder)
    workload = _workload(root / "workload", args.data, plan, stamped)
    session = Session(plan, args.data, workload, pythons, cells)
    found = measure(session)
    settings = _settings(plan, args.quick, versions, missing)
    report = Report("sim", {**settings, "left_out_for_time": session.left_out}, CODE)
    add_figures(report, found)
    add_rows(report, found)
    report.finish(args.json)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sim",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds and repeats, 8 minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the folder with MNIST")
    parser.add_argument("--fresh", action="store_true", help="forget the stored measurements")
    args = parser.parse_args(arguments)
    args.data = args.data.resolve()
    return args


def _peers(missing: dict[str, str]) -> dict[str, Path]:
    """The interpreter of every peer that is there or could be made; why not, goes to `missing`."""
    found = {}
    for peer in environments.ENGINES:
        try:
            found[peer.name] = environments.interpreter(peer)
        except environments.MissingPeerError as error:
            missing[peer.name] = str(error)
            sys.stderr.write(f"{peer.name} is missing: {error}\n")
    return found


def _workload(folder: Path, data: Path, plan: Plan, stamped: str) -> Path:
    """What the peers are handed; written again when code, data or rounds are others."""
    wanted, mark = stamp(stamped, str(data), plan.rounds), folder / "stamp.txt"
    if mark.exists() and mark.read_text() == wanted:
        return folder
    sys.stderr.write("writing data, shards, cohorts and batch order for the peers …\n")
    mark.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.simulation.workload", folder, data]
    run_process([*command, str(plan.rounds)], our_paths(), cwd=ROOT, timeout_s=WORKLOAD_TIMEOUT_S)
    mark.write_text(wanted)
    return folder


def _settings(
    plan: Plan, quick: bool, versions: Mapping[str, Any], missing: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "quick": quick,
        "data": "MNIST",
        "clients": scenarios.CLIENTS,
        "clients_per_round": scenarios.PER_ROUND,
        "partition": "dirichlet(0.5)",
        "rounds": plan.rounds,
        "warm_rounds": plan.rounds - 1,
        "repeats": plan.repeats,
        "repeats_of_rows_without_a_target": plan.row_repeats,
        "pairs_of_short_measurements": plan.pairs,
        "processes_or_threads": PARALLEL,
        "memory": MEMORY_KIND,
        "equal": "shards, cohorts, batch order, initial model, evaluation on 10,000 each round; "
        "the CNN's images have their channels last for every engine, unless contiguous is said",
        "peers": versions,
        "missing_peers": missing,
    }


if __name__ == "__main__":
    sys.exit(main())
