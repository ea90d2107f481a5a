"""The report of a session: its figures with their targets, and every row."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.figures import Report
from benchmarks.simulation import scenarios
from benchmarks.simulation.engines import MODELS
from benchmarks.simulation.session import Session
from benchmarks.simulation.summary import Trained, peer_wins, row, speedup

TARGETS = {"cnn": (1.2, 1.2), "mlp": (1.8, 1.6)}  # against plain torch, against the best peer
PEERS = ("flower", "pfl", "blazefl")
EXECUTORS_OF_OVERHEAD = ("process_pool", "sequential")
Pairs = Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class Measured:
    """Everything that a session found."""

    parity: Mapping[str, Mapping[str, float]]
    overhead: Mapping[str, list[float]]
    registered: Pairs
    cold_starts: Pairs
    trained: Mapping[str, list[Trained]]
    failures: Mapping[str, str]


def measure(session: Session) -> Measured:
    """Measures what is not stored: the short things first, so that each figure has its value."""
    repeats = max(session.plan.row_repeats, 2)
    return Measured(
        parity=session.parity(),
        overhead={
            **{name: session.overhead(name, repeats) for name in EXECUTORS_OF_OVERHEAD},
            "flower": session.flower_overhead(session.plan.row_repeats),
        },
        registered=session.registered(),
        cold_starts=session.cold_starts(),
        trained=session.train(),
        failures=session.failures,
    )


def add_figures(report: Report, found: Measured) -> None:
    """The eight figures, in the order of the issue."""
    for model, (against_torch, _) in TARGETS.items():
        arms = found.trained.get(model, [])
        plain = speedup(arms, ("torch",), "plain torch, the better thread count")
        report.figure(
            f"sim.{model}.speedup_vs_sequential",
            plain.value,
            "ratio",
            at_least=against_torch,
            how=plain.how,
        )
    for model, (_, against_peers) in TARGETS.items():
        peer = speedup(found.trained.get(model, []), PEERS, "the best peer that is installed")
        report.figure(
            f"sim.{model}.speedup_vs_best_peer",
            peer.value,
            "ratio",
            at_least=against_peers,
            how=peer.how,
        )
    _add_overhead(report, found.overhead)
    _add_cold_start(report, found.cold_starts)
    _add_registered(report, found.registered)
    _add_parity(report, found)


def _add_overhead(report: Report, overhead: Mapping[str, list[float]]) -> None:
    ours = overhead.get("process_pool") or []
    flower = _median(overhead.get("flower") or [])
    beside = "not measured" if flower is None else f"{1000 * flower:.0f} ms"
    value = _median(ours)
    report.figure(
        "sim.round_overhead_ms",
        None if value is None else 1000 * value,
        "ms",
        at_most=30,
        how="CNN, 100 clients a round without a local step, serialised, memory store, warm pool "
        f"of 2, no evaluation; median of warm rounds, over {len(ours)} processes; Flower: {beside}",
    )


def _add_cold_start(report: Report, pairs: Pairs) -> None:
    started = _ratios(pairs, "dispatched_s", "import_torch_s")
    seconds = {key: _median([pair[key] for pair in pairs]) for key in (pairs[0] if pairs else ())}
    told = ", ".join(f"{key.removesuffix('_s')} {value:.3g} s" for key, value in seconds.items())
    report.figure(
        "sim.cold_start_vs_import_torch",
        _median(started),
        "ratio",
        at_most=2,
        how="from the start of the process `fedplat sim run` (digits, logistic, 2 clients) until "
        f"its first round is dispatched, over `import torch`; median of {len(pairs)} interleaved "
        f"pairs, file cache warm ({told or 'failed'})",
    )


def _add_registered(report: Report, pairs: Pairs) -> None:
    ratios = _ratios(pairs, "10000", "100")
    seconds = [_median([pair[key] for pair in pairs]) for key in ("100", "10000")]
    told = " and ".join(f"{1000 * one:.3g} ms" for one in seconds if one is not None)
    report.figure(
        "sim.registered_1e4_vs_1e2",
        _median(ratios),
        "ratio",
        at_most=1.1,
        how="time per sampled client, 10,000 over 100 registered; MLP (its training hides least), "
        f"60 samples each from the same 100 shards, 10 a round; median of {len(pairs)} interleaved "
        f"pairs ({told or 'failed'})",
    )


def _add_parity(report: Report, found: Measured) -> None:
    medians = {name: one["median_rel_error"] for name, one in found.parity.items()}
    complete = len(medians) == len(MODELS) * len(scenarios.EXECUTORS)
    failed = sorted(name for name in found.failures if name.startswith("parity"))
    worst = max((one["max_rel_error"] for one in found.parity.values()), default=None)
    plain = max((one["plain_max_rel_error"] for one in found.parity.values()), default=None)
    report.figure(
        "sim.parity.max_rel_error",
        max(medians.values()) if complete else None,
        "ratio",
        at_most=1e-5,
        how="a client's update after one epoch against the same epoch in float64: the median of "
        "the first cohort's 10 clients, the maximum over 2 models and all executors. The worst "
        f"client: {_error(worst)}; in a plain float32 loop of torch: {_error(plain)} (a ReLU or "
        "max pooling that rounds to the other side of its kink)"
        + (f"; failed: {', '.join(failed)}" if failed else ""),
    )


def _error(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2g}"


def add_rows(report: Report, found: Measured) -> None:
    """Every engine on both models, what the short measurements gave, and where a peer wins."""
    for model, arms in found.trained.items():
        for one in sorted(arms, key=lambda arm: arm.round_s):
            report.row(**row(model, one, scenarios.PER_ROUND))
    for name, seconds in found.overhead.items():
        if seconds:
            _measure(report, "round overhead", name, 1000 * statistics.median(seconds), "ms")
    for key in found.cold_starts[0] if found.cold_starts else ():
        _measure(report, "cold start", key, _median([p[key] for p in found.cold_starts]), "s")
    for key in found.registered[0] if found.registered else ():
        value = _median([1000 * pair[key] for pair in found.registered])
        _measure(report, "a sampled client", f"{key} registered", value, "ms")
    for name, errors in found.parity.items():
        for which, error in errors.items():
            if which.endswith("rel_error"):
                _measure(report, which.replace("_", " "), name, error, "ratio")
    for name, text in found.failures.items():
        report.row(failed=name, reason=text)
    for model, arms in found.trained.items():
        for sentence in peer_wins(model, arms):
            report.row(peer_wins=sentence)


def _measure(report: Report, what: str, of: str, value: float | None, unit: str) -> None:
    report.row(measurement=what, of=of, value=value, unit=unit)


def _ratios(pairs: Pairs, above: str, below: str) -> list[float]:
    return [pair[above] / pair[below] for pair in pairs]


def _median(values: Sequence[Any]) -> float | None:
    return statistics.median(values) if values else None
