"""Schedules of faults against the engines, planted bugs against the schedules, and kill -9 of the
processes of real federations.

python -m benchmarks.chaos [--quick] [--schedules N] [--seed S] [--processes P] [--json FILE]
python -m benchmarks.chaos --only kill9 [--quick] [--point POINT]

Full: 100,000 schedules, every event boundary and 300 random moments; quick, as in CI: 10,000,
a third of the boundaries and 12 moments.  POINT: as a failure tells it; see benchmarks/faults.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

from benchmarks.faults.federation import command, grounds, small
from benchmarks.faults.federation import conduct as conduct_killed
from benchmarks.faults.kill9 import campaign
from benchmarks.faults.kills import parse, told
from benchmarks.figures import ROOT, Report
from fedplat_sim.chaos.campaign import Outcome, conduct
from fedplat_sim.chaos.suspects import Suspects
from fedplat_sim.run import Options, run

CODE = (
    "benchmarks/chaos.py",
    "benchmarks/faults",
    "clients/fedplat_client",
    "fedplat/aggregators",
    "fedplat/engine",
    "fedplat/runtime",
    "fedplat/storage",
    "fedplat/transports/grpc",
    "fedplat/wire/convert.py",
    "server/fedplat_server",
    "simulations/fedplat_sim/chaos",
    "tests/faults/planted",
)
AT_ONCE = 500  # schedules of one task
ENOUGH = 400  # schedules within which a planted bug must be found
PARTS = ("schedules", "planted", "kill9")
QUICK_BOUNDARIES, QUICK_MOMENTS, MOMENTS = 28, 12, 300


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints the tables, writes the JSON; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos")
    parser.add_argument("--quick", action="store_true", help="10,000 schedules, not 100,000")
    parser.add_argument("--schedules", type=int, help="another number of schedules")
    parser.add_argument("--seed", type=int, default=1, help="the first schedule's")
    parser.add_argument("--processes", type=int, help="at the same time [default: one per core]")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=PARTS, help="one part")
    parser.add_argument("--point", help="one run of kill9")
    args = parser.parse_args(arguments)
    if args.point is not None:
        return again(args.point)
    parts = PARTS if args.only is None else (args.only,)
    schedules = args.schedules or (10_000 if args.quick else 100_000)
    settings = {"quick": args.quick, "schedules": schedules, "seed": args.seed, "parts": parts}
    report = Report("chaos", settings, CODE)
    with ProcessPoolExecutor(args.processes, mp_context=get_context("spawn")) as pool:
        if "schedules" in parts:
            the_product(schedules, args.seed, pool, report)
        if "planted" in parts:
            planted(pool, report)
    if "kill9" in parts:
        kill9(args.quick, args.seed, args.processes or os.cpu_count() or 1, report)
    report.finish(args.json)
    return 0


def kill9(quick: bool, seed: int, processes: int, report: Report) -> None:
    """Kills the processes of federations, one federation after another."""
    started = perf_counter()
    done = campaign(
        boundaries=QUICK_BOUNDARIES if quick else None,
        moments=QUICK_MOMENTS if quick else MOMENTS,
        seed=seed,
        processes=processes,
        scenario=None,
    )
    for one in done.harmed:
        report.row(point=told(one.point), flaw=one.flaws[0], repeat=command(one.point))
        print(*one.flaws, sep="\n", file=sys.stderr)
    seconds = statistics.median(one.seconds for one in done.judged)
    how = (
        f"{len(done.boundaries)} event boundaries{' (a sample)' if quick else ' (all)'} and "
        f"{len(done.random)} random moments of coordinator, clients and training processes; "
        f"{sum(bool(one.unheard) for one in done.judged)} with a client that came back after the "
        f"end; {seconds:.1f} s a federation, {perf_counter() - started:.0f} s in all"
    )
    share = 1 - len(done.harmed) / len(done.judged)
    report.figure("chaos.kill9_same_digest_fraction", share, "fraction", at_least=1, how=how)


def again(point: str) -> int:
    """Repeats one run of `kill9`; returns 1, if it went wrong."""
    scenario = small()
    digest = run(scenario, Options(executor="sequential")).digest
    with grounds(scenario, digest) as ground:
        ended = conduct_killed(ground, parse(point))
    for kill in ended.missed:
        print(f"nothing died at {kill}")
    print(*(ended.flaws or ["it ended as the calm run does"]), sep="\n")
    return int(bool(ended.flaws))


def the_product(schedules: int, seed: int, pool: Executor, report: Report) -> None:
    """Runs the schedules over the product's own parts."""
    started = perf_counter()
    last = seed + schedules
    starts = range(seed, last, AT_ONCE)
    counts = [min(AT_ONCE, last - start) for start in starts]
    outcomes = list(pool.map(conduct, counts, starts))
    elapsed_s = perf_counter() - started
    found = [one for outcome in outcomes for one in outcome.found]
    for one in found:
        report.row(seed=one.seed, rule=one.violation.rule, repeat=one.command)
    of_all = partial(_total, outcomes)
    how = (
        f"{of_all('schedules'):,} schedules with {of_all('faults'):,} faults and "
        f"{of_all('rounds'):,} committed rounds; invariants checked after each of "
        f"{of_all('steps'):,} steps"
    )
    report.figure("chaos.violations", float(len(found)), "schedules", at_most=0, how=how)
    per_s = of_all("schedules") / of_all("seconds")
    report.figure(
        "chaos.schedules_s", per_s, "1/s", how=f"of one process; {elapsed_s:.0f} s in all"
    )


def _total(outcomes: Sequence[Outcome], field: str) -> float:
    return sum(getattr(outcome, field) for outcome in outcomes)


def planted(pool: Executor, report: Report) -> None:
    """Looks for each planted bug, with the same seeds."""
    names = list(pool.submit(planted_names).result())
    needed = dict(zip(names, pool.map(schedules_to_find, names), strict=True))
    for name, count in needed.items():
        report.row(planted_bug=name, schedules=count)
    found = [count for count in needed.values() if count is not None]
    median = statistics.median(found) if found else None
    how = f"of {len(names)}, each within {ENOUGH} schedules from seed 0; the median is {median}"
    share = len(found) / len(names)
    report.figure("chaos.planted_bugs_found", share, "fraction", at_least=1, how=how)
    report.figure("chaos.planted_bugs", float(len(names)), "bugs", at_least=20, how="in all")


def planted_names() -> list[str]:
    """The planted bugs."""
    return list(_planted_bugs())


def schedules_to_find(name: str) -> int | None:
    """How many schedules it takes to find this bug; None, if more than `ENOUGH`."""
    outcome = conduct(ENOUGH, 0, suspects=_planted_bugs()[name], stop_at=1)
    return outcome.schedules if outcome.found else None


def _planted_bugs() -> Mapping[str, Suspects]:
    """They live with the tests that look for them."""
    tests = str(ROOT / "tests")
    if tests not in sys.path:
        sys.path.insert(0, tests)
    from faults.planted.all_bugs import BUGS

    return BUGS


if __name__ == "__main__":
    sys.exit(main())
