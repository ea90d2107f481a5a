"""How fast and in how much memory robust rules aggregate, beside ByzFL's and Flower's.

python -m benchmarks.aggregation [--quick] [--json FILE]

Full: 50 updates of a million values beside the peers (whose NNM takes 8 GB), then every rule over
1,000 of them in memory (4 GB); some 20 minutes on 2 cores.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.aggregating import agreement, limits, rows
from benchmarks.aggregating.agreement import Processes, difference, fold, questions
from benchmarks.aggregating.peers import Process, Size, started
from benchmarks.aggregating.rules import ONCE, TIMED, Compared
from benchmarks.figures import ROOT, Report, median_ratio
from benchmarks.peers import environments

CODE = (
    "benchmarks/aggregating",
    "benchmarks/aggregation.py",
    "benchmarks/peers/run_byzfl_rules.py",
    "benchmarks/peers/run_flower_rules.py",
    "fedplat/aggregators",
    "fedplat/runtime/robust_fold.py",
)
SCRIPTS = {"byzfl": "run_byzfl_rules.py", "flower": "run_flower_rules.py"}
TARGETS = {
    "median": 15,
    "trimmed_mean": 8,
    "krum": 10,
    "geometric_median": 10,
    "nnm": 40,
    "meamed": 8,
    "multikrum": 5,
}


@dataclass(frozen=True)
class Plan:
    """How much is measured: results, speed, memory."""

    compared: Size
    timed: Size
    large: Size
    repeats: int
    threads: int


CORES = os.cpu_count() or 1
QUICK = Plan(Size(12, 10_000, 2), Size(50, 100_000, 10), Size(100, 1_000_000, 10), 3, CORES)
FULL = Plan(Size(12, 10_000, 2), Size(50, 1_000_000, 10), Size(1000, 1_000_000, 100), 7, CORES)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints the tables, writes the JSON; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.aggregation")
    parser.add_argument("--quick", action="store_true", help="a tenth of the values")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(arguments)
    plan = QUICK if args.quick else FULL
    pythons, missing = found_peers()
    versions = {
        name: environments.versions(python, list(environments.BY_NAME[name].pins))
        for name, python in pythons.items()
    }
    settings = {"quick": args.quick, **asdict(plan), "peers": versions, "missing": missing}
    report = Report("aggregation", settings, CODE)
    with running(pythons, plan.timed, plan.threads) as processes:
        speed(plan, report, processes)
    with running(pythons, plan.compared, plan.threads) as processes:
        results(plan, report, processes)
    memory(plan, report)
    report.finish(args.json)
    return 0


def found_peers() -> tuple[dict[str, Path], dict[str, str]]:
    """The interpreters of the peers, and of those that could not be installed why."""
    found, missing = {}, {}
    for name in SCRIPTS:
        try:
            found[name] = environments.interpreter(environments.BY_NAME[name])
        except environments.MissingPeerError as error:
            missing[name] = str(error)
            say(f"{name} is missing: {error}")
    return found, missing


@contextmanager
def running(pythons: Mapping[str, Path], size: Size, threads: int) -> Iterator[Processes]:
    """The peers' processes, each with the same updates in its memory."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(started(python, SCRIPTS[name], size, threads))
            for name, python in pythons.items()
        }


# ── speed, side by side ──────────────────────────────────────────────────────────────────────────


def speed(plan: Plan, report: Report, processes: Processes) -> None:
    """Each rule in turn with the peers', on the same updates and as many threads."""
    size = plan.timed
    updates = rows.updates(size.clients, size.dim, size.liars)
    read = limits.read_seconds(updates, plan.threads)
    products = limits.products_a_second(plan.threads)
    report.row(limit="one pass over the updates, ms", value=1e3 * read)
    report.row(limit="products added in float32, 1e9/s", value=products / 1e9)
    pairs = size.dim * size.clients * (size.clients + 1) / 2
    for rule in (*TIMED, *ONCE):
        say(f"speed: {rule.name}")
        repeats = plan.repeats if rule in TIMED else 2
        seconds, apart = _in_turn(rule, updates, processes, plan, repeats)
        ours = statistics.median(seconds["fedplat"])
        needed = 2 * read + pairs / products if rule.chain(size.liars).needs_gram else read
        report.row(
            rule=rule.name,
            ms=1e3 * ours,
            of_limit=needed / ours,
            **{f"{peer}_ms": _ms(seconds.get(peer)) for peer in SCRIPTS},
            **{f"vs_{peer}": _ratio(seconds, peer) for peer in SCRIPTS},
            **{f"{peer}_differs_by": apart.get(peer) for peer in SCRIPTS},
        )
        if rule.name in TARGETS:
            report.figure(
                f"agg.{rule.name}.speedup_vs_byzfl",
                _ratio(seconds, "byzfl"),
                "ratio",
                at_least=TARGETS[rule.name],
                how=_how(rule, plan, processes),
            )


def _how(rule: Compared, plan: Plan, processes: Processes) -> str:
    if "byzfl" not in processes:
        return "ByzFL could not be installed"
    chain = " | ".join(f"{kind}({told})" for kind, told in rule.asked(plan.timed.liars))
    size = plan.timed
    return (
        f"median of {plan.repeats} pairs, {plan.threads} threads each, n = {size.clients}, "
        f"d = {size.dim:,}, f = {size.liars}; ByzFL {chain.replace('{}', '')} on one tensor in "
        f"memory, ours over updates in memory, checks and each client's influence included"
    )


def _in_turn(
    rule: Compared, updates: np.ndarray, processes: Processes, plan: Plan, repeats: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Seconds of every run by arm, and how far the peers' results are from ours."""
    chain, every = rule.chain(plan.timed.liars), questions(rule, plan.timed.liars)
    asked = {peer: question for peer, question in every.items() if peer in processes}
    ours = fold(chain, updates, plan.threads)
    seconds: dict[str, list[float]] = {"fedplat": []}
    apart: dict[str, float] = {}
    for turn in range(repeats):
        start = time.perf_counter()
        fold(chain, updates, plan.threads)
        seconds["fedplat"].append(time.perf_counter() - start)
        asked_now = {peer: one for peer, one in asked.items() if not turn or peer != "flower"}
        for peer, question in asked_now.items():  # Flower once: it takes seconds
            found = processes[peer].ask(question, keep=not turn)
            seconds.setdefault(peer, []).append(found.seconds)
            apart |= {} if found.value is None else {peer: difference(found.value, ours)}
    return seconds, apart


def _ms(seconds: Sequence[float] | None) -> float | None:
    return 1e3 * statistics.median(seconds) if seconds else None


def _ratio(seconds: Mapping[str, Sequence[float]], peer: str) -> float | None:
    if peer not in seconds:
        return None
    return median_ratio(seconds[peer], seconds["fedplat"][: len(seconds[peer])])


# ── results, side by side ────────────────────────────────────────────────────────────────────────


def results(plan: Plan, report: Report, processes: Mapping[str, Process]) -> None:
    """Where rules of one name agree, and why not where they do not."""
    say("results")
    found = list(agreement.compare(processes, plan.compared))
    for row in found:
        report.row(**row)
    one = [row for row in found if row["one_definition"]]
    unlike = [f"{row['peer']}: {row['rule']}" for row in one if not row["agrees"]]
    report.figure(
        "agg.results.agreeing_fraction",
        1 - len(unlike) / len(one) if one else None,
        "fraction",
        at_least=1,
        how=f"of {len(one)} pairs of rules with one definition, those whose results are within "
        f"{agreement.TOLERANCE:g} of each other (n = {plan.compared.clients}, "
        f"f = {plan.compared.liars}); not: {', '.join(unlike) or 'none'}",
    )
    for row in agreement.of_an_unusable_update(processes, plan.compared):
        report.row(**row)


# ── memory, many updates ─────────────────────────────────────────────────────────────────────────


def memory(plan: Plan, report: Report) -> None:
    """Every rule over many updates, in a process of its own."""
    size = plan.large
    words = [str(one) for one in (size.clients, size.dim, size.liars, plan.threads)]
    command = [sys.executable, "-m", "benchmarks.aggregating.large", *words]
    found: list[dict[str, Any]] = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            say(f"memory: {line.strip()}")
            found += [answer] if "rule" in (answer := json.loads(line)) else []
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command)
    for answer in found:
        report.row(**{f"rule, n = {size.clients:,}": answer.pop("rule"), **answer})
    ran = [answer for answer in found if not answer["refused"]]
    worst = max(answer["over_input"] for answer in ran)
    report.figure(
        "agg.peak_over_input",
        worst,
        "ratio",
        at_most=1.15,
        how=f"the most of {len(ran)} rules over {size.clients:,} updates of {size.dim:,} values in "
        f"memory: anonymous memory of the process at its peak, sampled every 2 ms, above what it "
        f"had before the updates were made (modules loaded, loops compiled), over the updates' "
        f"bytes; so 1 are the updates themselves; {len(found) - len(ran)} rules refuse f = "
        f"{size.liars} of them, as they must",
    )


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
