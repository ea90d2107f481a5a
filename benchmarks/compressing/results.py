"""The report: figures with their targets, and every row."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.compressing.arms import FLOAT32
from benchmarks.compressing.curve import spread
from benchmarks.compressing.grid import Plan, Study, Workers
from benchmarks.compressing.summary import (
    Compared,
    Found,
    arm_row,
    encoding_rows,
    target_row,
)
from benchmarks.compressing.terngrad import Training
from benchmarks.figures import Report

RATIOS = {1.0: 300.0, 3.0: 1085.0}  # points of accuracy lost, and what is asked for there
BYTES_TARGET, DELTA_TARGET = 60.0, 0.3
FEDZIP = ("fedzip+ef", "fedzip")


def add_figures(report: Report, plan: Plan, found: Found) -> None:
    """The issue's figures, in its order."""
    curve = Compared(plan.curve, found)
    for loss_pt, target in RATIOS.items():
        _add_ratio(report, curve, loss_pt, target)
    _add_feedback_gain(report, curve)
    _add_terngrad(report, plan.workers, found)
    study, accuracy = plan.targets[0]
    _add_bytes_to_target(report, Compared(study, found), accuracy)


def add_rows(report: Report, plan: Plan, found: Found) -> None:
    """Every arm, what other encodings make of FedZip's symbols, costs, and TernGrad's trainings."""
    studies = [Compared(study, found) for study in plan.studies]
    rows = [arm_row(one, arm) for one in studies for arm in one.study.arms]
    rows += [row for one in studies for arm in one.study.arms for row in encoding_rows(one, arm)]
    for study, accuracy in plan.targets:
        compared = Compared(study, found)
        rows += [target_row(compared, arm, accuracy) for arm in study.arms]
    rows += [terngrad_row(plan.workers, training, found) for training, _ in plan.workers.trainings]
    for row in rows:
        if row is not None:
            report.row(**row)


# ── FedZip's shape ───────────────────────────────────────────────────────────────────────────────


def _add_ratio(report: Report, curve: Compared, loss_pt: float, target: float) -> None:
    family = curve.best_family(loss_pt)
    reach = curve.reach(family, loss_pt) if family else None
    how = "no curve was measured"
    if family and reach:
        points = ", ".join(f"{p.ratio:.0f}× −{p.loss_pt:.2f}" for p in sorted_points(curve, family))
        how = (
            f"{family}, chosen on validation; uplink frames of all clients, "
            f"{curve.study.federation.rounds} rounds, test points lost against float32 at equal "
            f"rounds, mean of {_seeds(curve)}: {points}"
        )
        how += "; the curve ends before so much is lost" if reach.is_bound else ""
    report.figure(
        f"compression.ratio_at_{loss_pt:g}pt",
        reach.ratio if reach else None,
        "ratio",
        at_least=target,
        how=how,
    )


def sorted_points(curve: Compared, family: str) -> list[Any]:
    return sorted(curve.points(family, "test"), key=lambda point: point.ratio)


def _add_feedback_gain(report: Report, curve: Compared) -> None:
    """What error feedback adds to FedZip's accuracy: the mean over its shares and the seeds."""
    corrected, published = (
        [arm for arm in curve.study.arms if arm.family == family] for family in FEDZIP
    )
    gains: list[float] = []
    told = []
    for mine, theirs in zip(corrected, published, strict=True):
        losses = curve.losses_pt(theirs, "test", against=mine)
        if losses:
            mean, deviation = spread(losses)
            gains += losses
            told.append(
                f"{theirs.name}: {mean:+.2f} ± {deviation:.2f} points at "
                f"{curve.ratio(mine):.0f}× instead of {curve.ratio(theirs):.0f}×"
            )
    how = f"test accuracy with error feedback less without, mean over shares, {_seeds(curve)}: "
    report.figure(
        "compression.fedzip_ef_gain_pt",
        spread(gains)[0] if gains else None,
        "points",
        at_least=0.0,
        how=how + "; ".join(told),
    )


def _seeds(curve: Compared) -> str:
    count = len(curve.seeds(FLOAT32))
    return f"{count} seed{'s' * (count != 1)}"


# ── the honest measure ───────────────────────────────────────────────────────────────────────────


def _add_bytes_to_target(report: Report, compared: Compared, accuracy: float) -> None:
    """Of the arms that compress both directions, the one with the fewest bytes."""
    arms = [arm for arm in compared.study.arms if arm.downlink is not None]
    reached = {arm.name: compared.bytes_to_target(arm, accuracy) for arm in arms}
    known = {name: value for name, value in reached.items() if value is not None}
    best = max(known, key=lambda name: known[name]) if known else None
    told = ", ".join(
        f"{name} {'not reached' if value is None else f'{value:.1f}×'}"
        for name, value in reached.items()
    )
    report.figure(
        "compression.bytes_to_target_ratio",
        known[best] if best else None,
        "ratio",
        at_least=BYTES_TARGET,
        how=f"{_model(compared.study)}: bytes of both directions until a validation accuracy of "
        f"{accuracy:.1%}, float32's over the best arm's ({best}); {told}",
    )


def _model(study: Study) -> str:
    return f"MNIST {study.federation.model}, {study.federation.rounds} rounds at most"


# ── TernGrad ─────────────────────────────────────────────────────────────────────────────────────


def _add_terngrad(report: Report, workers: Workers, found: Found) -> None:
    """The worst over the numbers of workers, of the mean over the seeds."""
    deltas, told = [], []
    for training, seeds in workers.trainings:
        losses = terngrad_losses(workers, training, seeds, found)
        if training.arm == "float32" or not losses:
            continue
        mean, deviation = spread(losses)
        if is_published(training):
            deltas.append(mean)
        told.append(f"{training.name} {mean:+.2f} ± {deviation:.2f} ({len(losses)})")
    report.figure(
        "compression.terngrad_delta_pt",
        max(deltas) if deltas else None,
        "points",
        at_most=DELTA_TARGET,
        how="LeNet on MNIST, a plain loop over the library's stages; test points lost against "
        "float32, worst number of workers with clipping at 2.5 σ and a shared scale, mean ± sd "
        f"(seeds): {', '.join(told)}",
    )


def is_published(training: Training) -> bool:
    """Whether it is TernGrad as its authors ran it on LeNet."""
    return training.arm == "shared" and training.momentum > 0 and not training.exact_head


def terngrad_losses(
    workers: Workers, training: Training, seeds: Sequence[int], found: Found
) -> list[float]:
    """Points of test accuracy that it lost against float32 of the same seed and momentum."""
    losses = []
    for plain, _ in workers.trainings:
        if plain.arm != "float32" or plain.momentum != training.momentum:
            continue
        for seed in seeds:
            cells = [found.get(workers.cell(one, seed)) for one in (plain, training)]
            if cells[0] is not None and cells[1] is not None:
                losses.append(100 * (cells[0]["test_accuracy"] - cells[1]["test_accuracy"]))
    return losses


def terngrad_row(workers: Workers, training: Training, found: Found) -> dict[str, Any] | None:
    """Accuracy, and the bits a value of both directions, means over the sampled steps."""
    seeds = dict(workers.trainings)[training]
    cells = [found[name] for s in seeds if (name := workers.cell(training, s)) in found]
    if not cells:
        return None
    accuracy, deviation = spread([100 * cell["test_accuracy"] for cell in cells])
    losses = terngrad_losses(workers, training, seeds, found)
    return {
        "LeNet": training.name,
        "seeds": len(cells),
        "steps": cells[0]["steps"],
        "test %": accuracy,
        "± sd": deviation,
        "lost pt": spread(losses)[0] if losses else None,
        **{name: _mean_sample(cells, name) for name in SAMPLED},
        "density first": _sample(cells, "density", 0),
        "density last": _sample(cells, "density", -1),
        "wall_s": sum(cell["wall_s"] for cell in cells) / len(cells),
    }


SAMPLED = ("push_packed", "push_coded", "pull_levels", "pull_coded")


def _mean_sample(cells: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [one[name] for cell in cells for one in cell["samples"] if name in one]
    return sum(values) / len(values) if values else None


def _sample(cells: Sequence[Mapping[str, Any]], name: str, index: int) -> float | None:
    values = [cell["samples"][index].get(name) for cell in cells]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
