"""How fast blobs travel over gRPC, and what a coordinator of many clients takes.

python -m benchmarks.wire [--quick] [--json FILE] [--only idle,calls]

Loopback.  Blobs: one process sends, another receives, in plain text and over mutual TLS; beside a
bare gRPC stream, hashing alone, the disk alone and Flower's messages.  The control plane: real
coordinators, and client engines in one process.  Files lie in a temporary folder under
`~/.cache/fedplat-bench`; what a full run has measured there is not measured again by one that goes
on with the same code (`--fresh` forgets it).
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.figures import ROOT, Report, code_hash, machine, median_ratio
from benchmarks.peers import environments
from benchmarks.simulation.cells import Cells, stamp
from benchmarks.transport import control, cut, throughput
from fedplat.cli.quiet import quiet_grpc

CODE = (
    "benchmarks/peers/run_flower_message.py",
    "benchmarks/transport",
    "benchmarks/wire.py",
    "fedplat/engine",
    "fedplat/runtime",
    "fedplat/storage",
    "fedplat/transports",
    "fedplat/wire",
    "server/fedplat_server",
)


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    size_bytes: int
    repeats: int
    peer_repeats: int
    control: control.Amounts


QUICK = Plan(200_000_000, 5, 3, control.QUICK)
FULL = Plan(1_000_000_000, 7, 3, control.FULL)
SPEEDS = {  # of these the machine decides: they have no target
    "wire.stream_gb_s": ("raw", "a bare stream of the same frames"),
    "wire.disk_gb_s": (throughput.DISK_ALONE, "the bytes written to the disk and flushed"),
    "wire.durable_gb_s": ("durable", "an upload that is sent, hashed, written and flushed"),
    "wire.durable_tls_gb_s": ("durable" + throughput.TLS, "the same over mutual TLS"),
}
PARTS = ("blobs", "cut", *control.PARTS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints the tables, writes the JSON; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wire")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", help=f"some of {','.join(PARTS)}", default=",".join(PARTS))
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    args = parser.parse_args(arguments)
    quiet_grpc()
    chosen = args.only.split(",")
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}")
    plan = QUICK if args.quick else FULL
    report = Report("wire", {"quick": args.quick, "parts": chosen, **asdict(plan)}, CODE)
    root = environments.cache_folder()
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix="wire-") as name:
        folder = Path(name)
        kept = folder / "cells" if args.quick else root / "cells" / "wire"
        if args.fresh:
            shutil.rmtree(kept, ignore_errors=True)
        cells = Cells(kept, stamp(code_hash(CODE), machine()))
        if "blobs" in chosen:
            large_blobs(plan, report, folder)
        if "cut" in chosen:
            cut_uploads(plan, report, folder)
        for part in (part for part in control.PARTS if part in chosen):
            control.PARTS[part](plan.control, cells, report, folder)
    report.finish(args.json)
    return 0


def large_blobs(plan: Plan, report: Report, folder: Path) -> None:
    """Our data plane in three forms beside its floors and beside Flower."""
    seconds = throughput.measure(plan.size_bytes, plan.repeats, folder)
    flower = _flower(plan, report)
    for arm, runs in {**seconds, **({"flower, no network": flower} if flower else {})}.items():
        median = statistics.median(runs)
        report.row(arm=arm, seconds=median, gb_per_s=plan.size_bytes / median / 1e9, runs=len(runs))
    size = f"{plan.size_bytes / 1e9:g} GB over loopback"
    turns = f"median of {plan.repeats} turns, {size}"
    for figure, (arm, what) in SPEEDS.items():
        speed = plan.size_bytes / statistics.median(seconds[arm]) / 1e9
        report.figure(figure, speed, "GB/s", how=f"{what}; {turns}")
    report.figure(
        "wire.vs_raw_grpc",
        median_ratio(seconds["raw"], seconds["discard"]),
        "ratio",
        at_least=0.8,
        how=f"{turns}; a bare stream of the same frames over our service that counts bytes",
    )
    report.figure(
        "wire.durable_vs_hash",
        median_ratio(seconds[throughput.HASH_ALONE], seconds["durable"]),
        "ratio",
        at_least=0.8,
        how=f"{turns}; SHA-256 alone over an upload that is sent, hashed, written and flushed",
    )
    best = statistics.median(flower) / statistics.median(seconds["hash"]) if flower else None
    report.figure(
        "wire.speedup_vs_flower",
        best,
        "ratio",
        at_least=4,
        how="Flower's record to objects to record, its processor time without a network, over "
        f"ours sent and hashed; {turns}",
    )


def _flower(plan: Plan, report: Report) -> list[float]:
    try:
        python = environments.interpreter(environments.BY_NAME["flower"])
    except environments.MissingPeerError as error:
        report.row(arm=f"flower: {error}")
        return []
    script = ROOT / "benchmarks" / "peers" / "run_flower_message.py"
    command = [python, script, str(plan.size_bytes), str(plan.peer_repeats)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return list(json.loads(done.stdout)["seconds"])


def cut_uploads(plan: Plan, report: Report, folder: Path) -> None:
    """An upload whose receiver dies at 90 %, and its second half."""
    extra, kept = cut.extra_frames(plan.size_bytes, 0.9, folder / "cut")
    report.figure(
        "wire.resume_extra_frames",
        extra,
        "frames",
        at_most=1,
        how=f"frames of 1 MiB sent again after the receiving process was killed at 90 % of "
        f"{plan.size_bytes / 1e9:g} GB, {kept} bytes of which it had kept",
    )


if __name__ == "__main__":
    sys.exit(main())
