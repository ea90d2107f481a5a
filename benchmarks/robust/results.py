"""What the trainings show: figures, and the tables behind them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from benchmarks.figures import Report
from benchmarks.robust.arms import ATTACKS, BUCKETING_PAPER, CHAINS, DEFAULT, MEAN
from benchmarks.robust.grid import GAMMAS, LIARS, NOBODY, TARGETS, Arm, Part

Result = Mapping[str, Any]
PUBLISHED_LINE = {0.33: (0.98, 0.97, 0.94, 0.91), 0.0: (0.87, 0.61, 0.26, 0.21)}
"""ByzFL's, clipping, NNM and trimmed mean, f = 1 … 4: the best accuracy over time."""
MORE_AT_ZERO = 0.10
STUDENT_95 = {3: 2.92, 5: 2.13, 10: 1.833}  # one-sided, by number of seeds
LAST, SELECTED = "test_last", "test_selected"


@dataclass(frozen=True)
class Found:
    """What is measured so far: `of` is an arm's accuracies, seed by seed."""

    parts: Mapping[str, Part]
    results: Mapping[str, Result]

    def of(self, arm: Arm, seeds: int, key: str = LAST) -> list[float]:
        """Those seeds that are there."""
        cells = (arm.cell(seed).name for seed in range(1, seeds + 1))
        return [self.results[name][key] for name in cells if name in self.results]

    def arms(self, *names: str) -> list[tuple[Arm, int]]:
        """Those of the parts of these names, each with its number of seeds."""
        parts = [self.parts[name] for name in names if name in self.parts]
        return [(arm, part.seeds) for part in parts for arm in part.arms]

    def seeds(self, arms: Iterable[tuple[Arm, int]]) -> int:
        """How many each of them has at least."""
        return min((len(self.of(arm, seeds)) for arm, seeds in arms), default=0)

    def worst(self, arms: Iterable[tuple[Arm, int]], key: str = LAST) -> tuple[str, float] | None:
        """The attack with the lowest mean over seeds, and that mean; None, if one has no seed."""
        means = {}
        for arm, seeds in arms:
            accuracies = self.of(arm, seeds, key)
            if not accuracies:
                return None
            means[arm.attack] = mean(accuracies)
        return min(means.items(), key=lambda one: one[1]) if means else None


def add_figures(report: Report, found: Found) -> None:
    """Figures that could not be measured have no value."""
    for gamma, liars in TARGETS:
        _heat(report, found, gamma, liars)
    for part in ("adaptive", "adaptive_mlp"):
        here = found.arms(part)
        adaptive = found.worst(here)
        report.figure(
            f"robust.worst_{part}",
            value(adaptive),
            "accuracy",
            at_least=0.94 if part == "adaptive" else None,
            how=f"{DEFAULT}, {_model(here)}, γ = 0.33, f = 2 of 12, last iterate, "
            f"{found.seeds(here)} seeds; worst: {name(adaptive)}",
        )
    _calm(report, found)
    for id, attacks in (("", BUCKETING_PAPER), ("_all_attacks", tuple(ATTACKS))):
        here = [one for one in found.arms("momentum") if one[0].attack in attacks]
        clipped = found.worst(here)
        report.figure(
            f"robust.momentum_cc{id}",
            value(clipped),
            "accuracy",
            at_least=None if id else 0.97,
            how=f"CNN, n = 25, f = 5, sorted by label, β = 0.9, {found.seeds(here)} seeds; "
            f"{', '.join(attacks)}; worst: {name(clipped)}",
        )
    collapsed = found.worst(_at(found.arms("mean"), 0.33, 2))
    report.figure(
        "robust.mean_collapses",
        None if collapsed is None else float(collapsed[1] <= 0.3),
        "1 = yes",
        at_least=1.0,
        how=f"the plain mean, γ = 0.33, f = 2: {shown(collapsed)} under {name(collapsed)}",
    )


def _heat(report: Report, found: Found, gamma: float, liars: int) -> None:
    line = PUBLISHED_LINE[gamma][liars - 1]
    target = line if gamma else round(line + MORE_AT_ZERO, 2)
    for part, id in (("cnn", "heat"), ("cnn_finer", "heat_finer"), ("heat", "heat_mlp")):
        here = _at(found.arms(part), gamma, liars)
        last, selected = found.worst(here), found.worst(here, SELECTED)
        report.figure(
            f"robust.{id}.gamma{round(100 * gamma)}_f{liars}",
            value(last),
            "accuracy",
            at_least=target if part == "cnn" else None,
            how=f"{DEFAULT}, {_model(here)}, last iterate, worst "
            f"of {len(here)} attacks: {name(last)}; {found.seeds(here)} seeds; selected by "
            f"validation {shown(selected)}; published {line}",
        )


def _calm(report: Report, found: Found) -> None:
    """Positive if the default chain is below the mean."""
    told = {arm.chain: found.of(arm, seeds) for arm, seeds in found.arms("calm")}
    mine, usual = told.get(DEFAULT, []), told.get(MEAN, [])
    lost = [100 * (b - a) for a, b in zip(mine, usual, strict=False)]
    bound, what = None, "the mean"
    if len(lost) in STUDENT_95:
        what = "95 % bound of the mean"
        bound = mean(lost) + STUDENT_95[len(lost)] * stdev(lost) / len(lost) ** 0.5
    report.figure(
        "robust.calm_price_pt",
        bound if bound is not None else (mean(lost) if lost else None),
        "points",
        at_most=1.0,
        how=f"{_model(found.arms('calm'))}, 12 honest clients, num_byzantine = 2, γ = 0.33, "
        f"against the plain mean: {what} over {len(lost)} paired seeds"
        + (f", which is {mean(lost):.2f}" if lost else ""),
    )


# ── tables ───────────────────────────────────────────────────────────────────────────────────────


def add_rows(report: Report, found: Found) -> None:
    """One row a chain and heterogeneity: the worst attack for each f, at two iterates."""
    for row in _choice(found):
        report.row(**row)
    for parts, model in (
        (("cnn", "cnn_rest"), "cnn"),
        (("cnn_finer",), "cnn, finer search"),
        (("heat", "mean", "grid"), "mlp"),
    ):
        for chain in CHAINS:
            arms = [one for one in found.arms(*parts) if one[0].chain == chain]
            for gamma in GAMMAS:
                _add_heat(report, found, arms, f"{model}, {chain}", gamma)
    for part in ("adaptive", "adaptive_mlp", "adaptive_rules", "momentum", "partial", "calm_rules"):
        for row in _by_chain(found, part):
            report.row(**row)
    for row in _by_chain(found, "declared", lambda arm: f"declared {arm.get('declared')}"):
        report.row(**row)
    for row in _by_chain(found, "pairs"):
        report.row(**row)


def _choice(found: Found) -> Iterator[dict[str, Any]]:
    """What the default was chosen by: validation accuracies at the last iterate, seed 1."""
    rows: dict[tuple[str, float, int], dict[str, float]] = {}
    for arm, _ in found.arms("choice"):
        result = found.results.get(arm.cell(1).name)
        if result is not None:
            place = (arm.chain, arm.get("gamma"), arm.get("liars"))
            rows.setdefault(place, {})[arm.attack] = round(result["validation"][-1], 3)
    for (chain, gamma, liars), columns in rows.items():
        told = {"table": "choice, validation", "chain": chain, "gamma": gamma, "f": liars}
        yield {**told, **columns, "worst": min(columns.values())}


def _add_heat(
    report: Report, found: Found, arms: Sequence[tuple[Arm, int]], label: str, gamma: float
) -> None:
    columns: dict[str, Any] = {}
    for liars in LIARS:
        here = [one for one in _at(arms, gamma, liars) if found.of(*one)]
        last, selected = found.worst(here), found.worst(here, SELECTED)
        if last is not None:
            columns[f"f={liars}"] = round(last[1], 3)
            columns[f"f={liars} selected"] = None if selected is None else round(selected[1], 3)
            columns[f"f={liars} worst attack"] = last[0]
    if columns:
        report.row(heat=label, gamma=gamma, **columns)


def _by_chain(
    found: Found, part: str, label: Callable[[Arm], str] = lambda arm: arm.chain
) -> Iterator[dict[str, Any]]:
    """A row a chain and γ, a column an attack: means over seeds of the last iterate."""
    rows: dict[tuple[str, float], dict[str, Any]] = {}
    for arm, seeds in found.arms(part):
        accuracies = found.of(arm, seeds)
        if accuracies:
            row = rows.setdefault((label(arm), arm.get("gamma")), {})
            row["no attack" if arm.attack == NOBODY else arm.attack] = round(mean(accuracies), 3)
    for (what, gamma), columns in rows.items():
        yield {"table": part, "chain": what, "gamma": gamma, **columns}


def _at(arms: Iterable[tuple[Arm, int]], gamma: float, liars: int) -> list[tuple[Arm, int]]:
    return [(a, n) for a, n in arms if a.get("gamma") == gamma and a.get("liars") == liars]


def _model(arms: Sequence[tuple[Arm, int]]) -> str:
    """The model of a table's trainings."""
    names = {"cnn": "CNN", "mlp": "MLP 784-64-10"}
    return " and ".join(sorted({names[arm.get("model")] for arm, _ in arms})) or "no model"


def value(worst: tuple[str, float] | None) -> float | None:
    return None if worst is None else worst[1]


def name(worst: tuple[str, float] | None) -> str:
    return "not measured" if worst is None else worst[0]


def shown(worst: tuple[str, float] | None) -> str:
    return "not measured" if worst is None else f"{worst[1]:.3f}"
