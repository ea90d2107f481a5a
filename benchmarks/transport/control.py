"""The figures of the control plane, and of many updates at once: measured cells ⇄ the report."""

import statistics
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.figures import Report, median_ratio
from benchmarks.simulation.cells import Cells, Result
from benchmarks.transport import arrival, calls, rounds, thousand

CLIENTS = 1000
ROUND_CLIENTS, WARM_UP = 8, 10


@dataclass(frozen=True)
class Amounts:
    """How much of each is measured."""

    idle_s: float
    call_turns: int
    call_s: float
    arriving: int
    arriving_bytes: int
    rounds: int


QUICK = Amounts(20.0, 7, 1.0, 16, 64_000_000, 50)
FULL = Amounts(60.0, 7, 4.0, 100, 250_000_000, 200)


def idle(amounts: Amounts, cells: Cells, report: Report, folder: Path) -> None:
    """A thousand clients that have nothing to do."""
    measure = partial(thousand.measure, CLIENTS, amounts.idle_s, folder / "idle")
    found = cells.get("idle", {"clients": CLIENTS, "seconds": amounts.idle_s}, measure)
    report.row(idle="sessions", **found)
    engines = f"{CLIENTS} client engines in one process, each with its certificate over mutual "
    engines += f"TLS, before `fedplat server start`; {found['lost']} sessions were lost"
    report.figure(
        "wire.idle_1000_mb",
        found["sessions_mb"],
        "MB",
        at_most=400,
        how=f"{engines}; anonymous memory above the same coordinator without sessions",
    )
    report.figure(
        "wire.idle_1000_core",
        found["core"],
        "cores",
        at_most=0.1,
        how=f"{engines}; processor time a second over {amounts.idle_s:g} s, a heartbeat each 20 s",
    )


def called(amounts: Amounts, cells: Cells, report: Report, folder: Path) -> None:
    """A call that leaves nothing behind."""

    def measure() -> Result:
        found = calls.measure(amounts.call_turns, amounts.call_s, folder)
        return {"ours": found.ours, "empty": found.empty, "bytes": found.asked_bytes}

    spec = {"turns": amounts.call_turns, "seconds": amounts.call_s}
    found = cells.get("calls", spec, measure)
    for arm in ("ours", "empty"):
        report.row(calls=arm, per_s=statistics.median(found[arm]), turns=len(found[arm]))
    report.figure(
        "wire.calls_vs_echo",
        median_ratio(found["ours"], found["empty"]),
        "ratio",
        at_least=0.9,
        how=f"heartbeats in polls of {found['bytes']} bytes over an aio server that answers the "
        f"same and does nothing; {calls.CONNECTIONS} connections in plain text, median of "
        f"{amounts.call_turns} pairs",
    )


def arrived(amounts: Amounts, cells: Cells, report: Report, folder: Path) -> None:
    """Many large updates at once."""
    count, size_bytes = amounts.arriving, amounts.arriving_bytes
    how = f"{count} updates of {size_bytes / 1e6:g} MB at once over mutual TLS, from engines that "
    how += "do not train; anonymous memory above idle, intake, fold and commit included"
    found: Result = {}
    missing = arrival.missing_bytes(count, size_bytes, folder)
    if missing:
        how = f"not measured: the disk lacks {missing / 1e9:.1f} GB"
    else:
        measure = partial(arrival.measure, count, size_bytes, folder)
        found = cells.get("arrival", {"updates": count, "bytes": size_bytes}, measure)
        report.row(arrival="updates", **found)
    peak = found["peak_bytes"] / found["model_bytes"] if found else None
    report.figure("wire.server_peak_over_model", peak, "ratio", at_most=3.1, how=how)


def overhead(amounts: Amounts, cells: Cells, report: Report, folder: Path) -> None:
    """What a round costs besides training."""
    measured: dict[str, Result] = {}
    for arm in ("plain", "tls"):
        place = folder / f"rounds-{arm}"
        place.mkdir()
        measure = partial(
            rounds.measure, ROUND_CLIENTS, amounts.rounds, WARM_UP, place, tls=arm == "tls"
        )
        spec = {"clients": ROUND_CLIENTS, "rounds": amounts.rounds}
        measured[arm] = cells.get(f"rounds-{arm}", spec, measure)
        laps = measured[arm]["rounds_ms"]
        report.row(
            round_overhead=arm,
            median_ms=statistics.median(laps),
            least_ms=min(laps),
            most_ms=max(laps),
            fsync_ms=measured[arm]["fsync_ms"],
        )
    fsync_ms = measured["plain"]["fsync_ms"]
    report.figure(
        "wire.round_overhead_ms",
        statistics.median(measured["plain"]["rounds_ms"]),
        "ms",
        at_most=25 + 4 * fsync_ms,
        how=f"{ROUND_CLIENTS} engines in one process that fetch the model and answer with random "
        f"numbers at once, before `fedplat server start` in plain text; commit to commit, median "
        f"of {amounts.rounds} rounds; an fsync of this disk takes {fsync_ms:.2f} ms",
    )


PARTS = {"idle": idle, "calls": called, "arrival": arrived, "rounds": overhead}
