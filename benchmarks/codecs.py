"""How many bytes each codec makes of real updates, how fast, and with which error.

python -m benchmarks.codecs [--quick] [--json FILE] [--data DIR] [--fresh] [--pictures DIR]

Payloads are made from seeds by training on MNIST's four IDX files and kept under
`~/.cache/fedplat-bench`, as is every cell that was measured: an interrupted run goes on where it
was.  Without MNIST, --quick trains on the excerpt that the tests use, and says so.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.coding import claims, measuring, oracle, peers, speeds, tables, targets
from benchmarks.coding.arms import CODERS, OURS, PARTS, QUICK_CODERS, Arm
from benchmarks.coding.measuring import Depth
from benchmarks.coding.payloads import Payload, load, recipes
from benchmarks.figures import ROOT, Report, code_hash, machine
from benchmarks.peers import environments
from benchmarks.peers.environments import MissingPeerError
from benchmarks.sim import DEFAULT_DATA, IMAGES
from benchmarks.simulation.cells import Cells, stamp
from benchmarks.simulation.session import slug
from fedplat.learning import numerics

CODE = (
    "benchmarks/codecs.py",
    "benchmarks/coding",
    "benchmarks/peers/run_nncodec.py",
    "benchmarks/peers/run_openfl.py",
    "fedplat/aggregators",
    "fedplat/codecs",
)
TRAINING_CODE = (
    "benchmarks/coding/models.py",
    "benchmarks/coding/payloads.py",
    "benchmarks/coding/training.py",
    "fedplat/learning",
)
EXCERPT = ROOT / "tests" / "data" / "mnist-excerpt"
NO_DATA = """\
benchmarks.codecs: there is no MNIST in {folder}
Give the folder with its four IDX files (gzip or not) by --data DIR.  They are to be had from
https://ossci-datasets.s3.amazonaws.com/mnist/; --quick does without (on an excerpt).
"""


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Every payload: the codecs of `usual` and, those of `widely`, all.  On `thorough` every coder is
    timed; on `timed` (none given: on all real ones) the context coder.
    """

    coders: tuple[str, ...]
    usual: tuple[str, ...]
    widely: tuple[str, ...]
    thorough: tuple[str, ...]
    timed: tuple[str, ...]
    repeats: int
    peer_repeats: int
    pipelines: tuple[str, ...]
    nncodec_steps: tuple[float, ...]


QUICK = Plan(
    coders=QUICK_CODERS,
    usual=OURS,
    widely=(),
    thorough=(),
    timed=(targets.JUDGED_ON, "cnn gradient, seed 1", "2nn, round 5"),
    repeats=7,
    peer_repeats=3,
    pipelines=("stc",),
    nncodec_steps=(4.0,),
)
FULL = Plan(
    coders=CODERS,
    usual=(*OURS, "int8", "lossless"),
    widely=(targets.DEVELOPED_ON, targets.JUDGED_ON, "resnet8", targets.NORMAL),
    thorough=(targets.DEVELOPED_ON,),
    timed=(),
    repeats=7,
    peer_repeats=7,
    pipelines=("stc", "skc"),
    nncodec_steps=(2.0, 4.0),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures what is not stored yet, prints tables, writes the JSON; returns the exit code."""
    args = _parse(arguments)
    numerics.configure()
    data = _data(args.data, args.quick)
    if data is None:
        sys.stderr.write(NO_DATA.format(folder=args.data))
        return 2
    plan, root = QUICK if args.quick else FULL, environments.cache_folder()
    cells = Cells(
        root / "cells" / f"codecs-{'quick' if args.quick else 'full'}",
        stamp(code_hash(CODE), machine()),
    )
    if args.fresh:
        shutil.rmtree(cells.folder, ignore_errors=True)
    made = stamp(code_hash(TRAINING_CODE), machine(), str(data))
    payloads = load(recipes(args.quick), root / "payloads", data, made)
    settings = {
        "quick": args.quick,
        **asdict(plan),
        "data": "excerpt" if data == EXCERPT else "MNIST",
    }
    report = Report("codecs", settings, CODE)
    rows = run(plan, payloads, cells, report)
    if args.pictures is not None:
        from benchmarks.coding import plot

        plot.draw(rows, targets.DEVELOPED_ON, args.pictures / "codecs.svg")
    report.finish(args.json)
    return 0


def run(
    plan: Plan, payloads: Sequence[Payload], cells: Cells, report: Report
) -> list[dict[str, Any]]:
    """Fills the report: the payloads, every codec on each, others on one, single steps.

    Returns what was measured of each codec with each entropy coder.
    """
    for one in payloads:
        report.row(
            payload=one.name,
            group=one.group,
            values=one.layout.dim,
            tensors=len(one.layout.flat),
            sha256=one.digest,
        )
    found = [cell for one in payloads for cell in codecs_on(plan, one, cells)]
    rows = [row for cell in found for row in cell["rows"]]
    targets.sizes(report, rows)
    targets.speeds(report, rows)
    single_steps(plan, payloads, cells, report)
    beside = [row for cell in found for row in cell["beside"]]
    targets.told(report, beside)
    for row in [*tables.sizes(rows), *beside, *tables.speeds(rows)]:
        report.row(**row)
    others(plan, payloads, cells, report)
    return rows


def codecs_on(plan: Plan, payload: Payload, cells: Cells) -> list[dict[str, Any]]:
    """Every codec that the plan wants on one payload."""
    found = []
    for arm in (Arm(part, payload) for part in PARTS):
        if not (payload.name in plan.widely or arm.name in plan.usual):
            continue
        depth = Depth(plan.coders, _timed(plan, arm), plan.repeats)
        cell = cells.get(
            slug(f"{payload.name} {arm.name}"),
            {"payload": payload.digest, "part": dict(arm.part), "depth": repr(depth)},
            partial(_measured, arm, depth),
        )
        found.append(cell)
    return found


def _timed(plan: Plan, arm: Arm) -> tuple[str, ...]:
    if arm.payload.name in plan.thorough:
        return plan.coders
    real = arm.payload.name != targets.NORMAL
    wanted = arm.payload.name in plan.timed if plan.timed else real
    return ("context",) if wanted and arm.name in OURS else ()


def _measured(arm: Arm, depth: Depth) -> dict[str, Any]:
    rows = measuring.measure(arm, depth)
    return {"rows": rows, "beside": [*claims.beside(arm, rows), *oracle.told(arm)]}


def single_steps(plan: Plan, payloads: Sequence[Payload], cells: Cells, report: Report) -> None:
    """Selection, clustering, the fast path, TernGrad: each alone, beside what others use."""
    named = {one.name: one for one in payloads}
    large, delta = named[targets.NORMAL], named[targets.DEVELOPED_ON]
    runs = {
        "top_k": lambda: speeds.top_k(large, plan.repeats),
        "k_means": lambda: speeds.k_means(large.first(1_000_000), plan.peer_repeats),
        "k_means, delta": lambda: speeds.k_means(delta, plan.peer_repeats),
        "fast": lambda: speeds.fast_path(large, plan.repeats),
        "terngrad": lambda: speeds.tern_grad(large, plan.repeats),
    }
    measured = {
        name: cells.get(slug(name), asdict(plan), lambda run=run: run().as_json())
        for name, run in runs.items()
    }
    how = f"{large.layout.dim / 1e6:g} M normal values, one thread, median of {plan.repeats}"
    targets.steps(report, measured, how)
    for name, one in measured.items():
        for arm, speed in one["speeds"].items():
            report.row(step=name, arm=arm, mb_s=speed)


def others(plan: Plan, payloads: Sequence[Payload], cells: Cells, report: Report) -> None:
    """General compressors, OpenFL and NNCodec."""
    delta = next(one for one in payloads if one.name == targets.DEVELOPED_ON)
    for one in payloads:
        repeats = plan.peer_repeats if one is delta else 1
        cell = cells.get(
            slug(f"general {one.name}"),
            {"payload": one.digest, "repeats": repeats},
            lambda one=one, repeats=repeats: {"rows": peers.general(one, repeats)},
        )
        for row in cell["rows"]:
            report.row(**row)
    runs = {
        **{
            f"openfl {name}": lambda name=name: peers.openfl(delta, name, plan.peer_repeats)
            for name in plan.pipelines
        },
        **{
            f"nncodec {step} rms": lambda step=step: peers.nncodec(delta, step, plan.peer_repeats)
            for step in plan.nncodec_steps
        },
    }
    for name, run in runs.items():
        try:
            row = cells.get(slug(name), {"payload": delta.digest, **asdict(plan)}, run)
        except MissingPeerError as error:
            row = {"peer": f"{name}: {error}"}
        report.row(**row)


def _data(folder: Path, quick: bool) -> Path | None:
    if any((folder / name).is_file() for name in (IMAGES, f"{IMAGES}.gz")):
        return folder
    return EXCERPT if quick and folder == DEFAULT_DATA else None


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.codecs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="fewer codecs and payloads")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="draw ratio against error")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
