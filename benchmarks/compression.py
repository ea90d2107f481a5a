"""What compressed updates cost in accuracy, and what they save: FedZip, TernGrad and ours.

python -m benchmarks.compression [--quick] [--json FILE] [--data DIR] [--fresh] [--pictures DIR]

Needs MNIST's four IDX files.  Federations run through the simulation, whose bytes are those that a
servicer would count; TernGrad's workers are a plain loop over the library's stages.  Every training
is a process of its own, two at a time with one thread each, and is stored under
`~/.cache/fedplat-bench`, so that an interrupted run goes on where it was.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.compressing import plots
from benchmarks.compressing.clock import LINKS_MBIT_S
from benchmarks.compressing.federation import CLIENTS, SAMPLES, VALIDATION
from benchmarks.compressing.grid import Plan
from benchmarks.compressing.plans import FULL, QUICK
from benchmarks.compressing.results import add_figures, add_rows
from benchmarks.compressing.session import PROCESSES, Session
from benchmarks.figures import Report, code_hash, machine
from benchmarks.peers import environments
from benchmarks.sim import DEFAULT_DATA, IMAGES
from benchmarks.simulation.cells import Cells, stamp

CODE = (
    "benchmarks/compressing",
    "benchmarks/compression.py",
    "fedplat/aggregators",
    "fedplat/algorithms",
    "fedplat/codecs",
    "fedplat/data",
    "fedplat/engine",
    "fedplat/learning",
    "fedplat/params.py",
    "fedplat/rng.py",
    "fedplat/runtime",
    "fedplat/transports/inprocess.py",
    "simulations/fedplat_sim",
)
NO_DATA = """\
benchmarks.compression: there is no MNIST in {folder}
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
    stamped = stamp(code_hash(CODE), machine())
    root = environments.cache_folder()
    folder = root / "cells" / f"compression-{'quick' if args.quick else 'full'}"
    if args.fresh and folder.exists():
        shutil.rmtree(folder)
    session = Session(args.data, Cells(folder, stamped), plan.patience_s)
    found = session.measure(plan.cells())
    report = Report("compression", _settings(plan, args.quick, session), CODE)
    add_figures(report, plan, found)
    add_rows(report, plan, found)
    report.finish(args.json)
    if args.pictures is not None:
        plots.draw(plan, found, args.pictures)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compression",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="few arms, one seed; 8 minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the folder with MNIST")
    parser.add_argument("--fresh", action="store_true", help="forget the stored measurements")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="draw the pictures there")
    args = parser.parse_args(arguments)
    args.data = args.data.resolve()
    return args


def _settings(plan: Plan, quick: bool, session: Session) -> dict[str, Any]:
    first = plan.curve.federation
    return {
        "quick": quick,
        "data": f"MNIST; validation on {VALIDATION} training images that no client has, each round",
        "test_set": "read once, by the last model of each run",
        "clients": CLIENTS,
        "images_a_client": SAMPLES,
        "rounds": first.rounds,
        "training": f"SGD, lr {first.lr}, momentum 0.9, batches of 32, one epoch a round",
        "studies": {
            one.name: f"{one.federation.model}, {one.federation.rounds} rounds, "
            f"{len(one.arms)} arms, seeds {', '.join(map(str, one.seeds))}"
            for one in plan.studies
        },
        "trials_an_arm": "one for each size that the table shows; nothing else was tuned",
        "links_mbit_s": list(LINKS_MBIT_S),
        "processes": PROCESSES,
        "left_out_for_time": session.left_out,
        "failed": session.failures,
    }


if __name__ == "__main__":
    sys.exit(main())
