"""Schedules of faults against the engines, and planted bugs against the schedules.

python -m benchmarks.chaos [--quick] [--schedules N] [--seed S] [--processes P] [--json FILE]

Full: 100,000 schedules; quick, as in CI: 10,000.
"""

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

from benchmarks.figures import ROOT, Report
from fedplat_sim.chaos.campaign import Outcome, conduct
from fedplat_sim.chaos.suspects import Suspects

CODE = (
    "benchmarks/chaos.py",
    "fedplat/aggregators",
    "fedplat/engine",
    "fedplat/runtime",
    "fedplat/storage/memory.py",
    "fedplat/wire/convert.py",
    "simulations/fedplat_sim/chaos",
    "tests/faults/planted",
)
AT_ONCE = 500  # schedules of one task
ENOUGH = 400  # schedules within which a planted bug must be found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints the tables, writes the JSON; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos")
    parser.add_argument("--quick", action="store_true", help="10,000 schedules, not 100,000")
    parser.add_argument("--schedules", type=int, help="another number of schedules")
    parser.add_argument("--seed", type=int, default=1, help="the first schedule's")
    parser.add_argument("--processes", type=int, help="at the same time [default: one per core]")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(arguments)
    schedules = args.schedules or (10_000 if args.quick else 100_000)
    settings = {"quick": args.quick, "schedules": schedules, "seed": args.seed}
    report = Report("chaos", settings, CODE)
    with ProcessPoolExecutor(args.processes, mp_context=get_context("spawn")) as pool:
        the_product(schedules, args.seed, pool, report)
        planted(pool, report)
    report.finish(args.json)
    return 0


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
