"""From measured cells to rows and figures: pure functions."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.simulation.engines import OURS, Engine

Cell = Mapping[str, Any]


@dataclass(frozen=True)
class Trained:
    """The repeats of one engine on one model, as what is reported of them."""

    engine: Engine
    per_repeat_s: tuple[float, ...]  # each the median of a repeat's warm rounds
    first_s: float
    peak_mib: float | None
    accuracy: float | None

    @property
    def round_s(self) -> float:
        return statistics.median(self.per_repeat_s)


def trained(engine: Engine, cells: Sequence[Cell]) -> Trained:
    """Sums up an engine's cells; there is at least one."""
    answers = [cell["answer"] for cell in cells]
    peaks = [cell["peak_mib"] for cell in cells if cell["peak_mib"] is not None]
    return Trained(
        engine,
        tuple(warm_median(answer["round_seconds"]) for answer in answers),
        statistics.median(answer["round_seconds"][0] for answer in answers),
        statistics.median(peaks) if peaks else None,
        answers[0]["accuracies"][-1],
    )


def warm_median(seconds: Sequence[float]) -> float:
    """The median of all rounds but the first, which pays for everything that is done once.

    Raises: ValueError, if there is no second round.

    >>> warm_median([9.0, 1.0, 3.0, 2.0])
    2.0
    """
    if len(seconds) < 2:
        raise ValueError(f"a warm round needs at least two rounds, got {len(seconds)}")
    return statistics.median(seconds[1:])


def row(model: str, one: Trained, clients: int) -> dict[str, Any]:
    """One line of the table."""
    return {
        "model": model,
        "engine": one.engine.name,
        "round_s": one.round_s,
        "round_s_min": min(one.per_repeat_s),
        "round_s_max": max(one.per_repeat_s),
        "updates_per_s": clients / one.round_s,
        "first_round_s": one.first_s,
        "peak_mib": one.peak_mib,
        "accuracy": one.accuracy,
        "repeats": len(one.per_repeat_s),
    }


@dataclass(frozen=True)
class Speedup:
    """How many times faster we are than the best of some; None where one side is missing."""

    value: float | None
    how: str


def speedup(found: Iterable[Trained], families: tuple[str, ...], what: str) -> Speedup:
    """The best engine of `families` over ours: a ratio of medians over repeats."""
    by_name = {one.engine.name: one for one in found}
    ours = by_name.get(OURS)
    others = [
        one for one in by_name.values() if one.engine.counts and one.engine.family in families
    ]
    if ours is None or not others:
        return Speedup(None, f"{'ours' if ours is None else what} could not be measured")
    best = min(others, key=lambda one: one.round_s)
    pairs = [b / o for b, o in zip(best.per_repeat_s, ours.per_repeat_s, strict=False)]
    return Speedup(
        best.round_s / ours.round_s,
        f"{what}: {best.engine.name} {best.round_s:.3g} s a round, {OURS} {ours.round_s:.3g} s; "
        f"ratio of medians over {len(ours.per_repeat_s)} interleaved repeats of warm rounds, "
        f"evaluation included; pairs {min(pairs):.3g} to {max(pairs):.3g}",
    )


def peer_wins(model: str, found: Iterable[Trained]) -> list[str]:
    """A sentence for each engine that is faster or leaner than ours."""
    by_name = {one.engine.name: one for one in found}
    ours = by_name.get(OURS)
    if ours is None:
        return []
    sentences = []
    for one in by_name.values():
        if one.engine.family == "ours":
            continue
        if one.round_s < ours.round_s:
            sentences.append(
                f"{model}: {one.engine.name} is faster ({one.round_s:.3g} s against "
                f"{ours.round_s:.3g} s)"
            )
        if one.peak_mib is not None and ours.peak_mib is not None and one.peak_mib < ours.peak_mib:
            sentences.append(
                f"{model}: {one.engine.name} takes less memory ({one.peak_mib:.0f} MiB against "
                f"{ours.peak_mib:.0f} MiB)"
            )
    return sentences
