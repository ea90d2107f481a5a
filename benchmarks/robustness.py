"""What liars can do to a federation: attacks, rules and heterogeneity, on MNIST.

python -m benchmarks.robustness [--quick] [--json FILE] [--data DIR] [--only PART …] [--jobs N]

Needs MNIST's four IDX files.  Every training is kept under `~/.cache/fedplat-bench`, so that a run
can be ended at any time and goes on where it was; the parts come in the order of `--only`'s list,
what the figures need first.  Clients, batches, momentum, attacks and rules are the platform's; the
loop around them is the benchmark's own (`benchmarks.robust.course`), and a test holds it to what
the simulation does.  ByzFL trains in an environment of its own, on the same images and shards.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import Report, code_hash, machine
from benchmarks.peers import environments
from benchmarks.robust import plots
from benchmarks.robust.beside import PART as BYZFL
from benchmarks.robust.beside import add_peer_rows, found_of_peer, measure_peer
from benchmarks.robust.grid import Part, full, of_parts, quick
from benchmarks.robust.results import Found, add_figures, add_rows
from benchmarks.robust.session import Kept, Session
from benchmarks.robust.setting import VALIDATION
from benchmarks.sim import DEFAULT_DATA, IMAGES
from benchmarks.simulation.cells import stamp

LOOP = (
    "benchmarks/robust/course.py",
    "benchmarks/robust/gradients.py",
    "benchmarks/robust/images.py",
    "benchmarks/robust/setting.py",
    "fedplat/aggregators",
    "fedplat/attacks",
    "fedplat/data/partition/gamma_similarity.py",
    "fedplat/learning/models",
    "fedplat/rng.py",
)
CODE = ("benchmarks/robust", "benchmarks/robustness.py", *LOOP[4:])
NO_DATA = """\
benchmarks.robustness: there is no MNIST in {folder}
Give the folder with its four IDX files (gzip or not) by --data DIR.  They are to be had from
https://ossci-datasets.s3.amazonaws.com/mnist/ (train-images-idx3-ubyte.gz,
train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz).
"""
QUICK_S, FULL_S = 240.0, 90 * 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains what is not kept yet, prints tables, writes the JSON; returns the exit code."""
    args = _parse(arguments)
    if not any((args.data / name).is_file() for name in (IMAGES, f"{IMAGES}.gz")):
        sys.stderr.write(NO_DATA.format(folder=args.data))
        return 2
    parts = quick() if args.quick else full(args.seeds)
    root = environments.cache_folder()
    folder = root / "cells" / "robustness"
    if args.fresh and folder.exists():
        shutil.rmtree(folder)
    kept = Kept(folder, stamp(code_hash(LOOP), machine(), args.device), args.any_code)
    session = Session(args.data, kept, args.jobs, _patience_s(args), args.device)
    chosen = [part for part in parts if not args.only or part.name in args.only]
    session.measure(list(of_parts(chosen).values()))
    if BYZFL in args.only or not (args.only or args.quick):
        measure_peer(session, kept, root)
    every = {name: kept.find(cell) for name, cell in of_parts(parts).items()}
    results = {name: one for name, one in every.items() if one is not None}
    found = Found({part.name: part for part in parts}, results)
    report = Report("robustness", _settings(parts, args, session, found), CODE)
    add_figures(report, found)
    add_rows(report, found)
    add_peer_rows(report, found_of_peer(kept))
    report.finish(args.json)
    if args.pictures is not None:
        plots.draw(found, args.pictures)
    return 0


def _patience_s(args: argparse.Namespace) -> float:
    if args.minutes is not None:
        return 60.0 * float(args.minutes)
    return QUICK_S if args.quick else FULL_S


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [part.name for part in full()] + [BYZFL]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.robustness",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a few short trainings; 2 minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the folder with MNIST")
    parser.add_argument("--only", nargs="+", choices=names, default=[], help="train these parts")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--device", default="cpu", help="where gradients are made (cuda)")
    parser.add_argument("--seeds", type=int, default=10, help="at most so many a training")
    parser.add_argument("--minutes", type=float, help="begin nothing new after so many")
    parser.add_argument("--fresh", action="store_true", help="forget the kept trainings")
    parser.add_argument(
        "--any-code", action="store_true", help="take trainings of other code too, and say so"
    )
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="draw the heat maps there")
    args = parser.parse_args(arguments)
    args.data = args.data.resolve()
    return args


def _settings(
    parts: Sequence[Part], args: argparse.Namespace, session: Session, found: Found
) -> dict[str, Any]:
    missing = {
        part.name: sum(cell.name not in found.results for cell in part.cells()) for part in parts
    }
    return {
        "quick": args.quick,
        "data": f"MNIST; {VALIDATION} training images are validation, the clients share the others",
        "heterogeneity": "γ-similarity among the honest clients; liars draw from all images",
        "training": "distributed SGD as ByzFL's heat maps: 800 steps, 25 images a client and step, "
        "rate 0.1, client momentum 0.9 (of weight 1 − 0.9), weight decay 1e-4, no schedule",
        "chosen_on": "validation images; the test set is read twice a training, at the last "
        "iterate and at the one with the best validation accuracy of every 50 steps",
        "seeds": {part.name: part.seeds for part in parts},
        "not_measured": {name: count for name, count in missing.items() if count},
        "of_other_code": session.kept.of_other_code,
        "processes": args.jobs,
        "device": args.device,
        "failed": session.failures,
    }


if __name__ == "__main__":
    sys.exit(main())
