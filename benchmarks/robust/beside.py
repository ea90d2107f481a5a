"""ByzFL beside us: its trainings are kept as ours are, and stand in the same tables."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.figures import Report
from benchmarks.peers import environments
from benchmarks.robust.arms import PUBLISHED
from benchmarks.robust.peer import RULES, PeerTraining, deal
from benchmarks.robust.session import Cell, Kept, Result, Session, say
from benchmarks.robust.setting import Setting
from benchmarks.simulation.process import MeasurementError

PART = "byzfl"
GAMMAS, LIARS, SEED = (0.33, 0.0), 2, 1


def trainings() -> Iterator[tuple[Cell, PeerTraining]]:
    """Two liars of 12, one seed: the perceptron, static clipping and NNM before each rule."""
    for rule in RULES:
        for gamma in GAMMAS:
            for attack in PUBLISHED:
                setting = Setting(
                    chain=["byzfl", rule],
                    attack={"name": attack},
                    gamma=gamma,
                    liars=LIARS,
                    seed=SEED,
                )
                words = f"{PART} {rule} {attack} gamma {gamma}"
                yield (
                    Cell("-".join(words.replace("'", "").replace(",", "").split()), setting),
                    PeerTraining(rule, attack, setting),
                )


def measure_peer(session: Session, kept: Kept, root: Path) -> None:
    """Makes what is missing; where the environment can not be made, that is noted."""
    missing = [(cell, one) for cell, one in trainings() if kept.find(cell) is None]
    if not missing:
        return
    try:
        python = environments.interpreter(environments.BY_NAME[PART])
    except (KeyError, environments.MissingPeerError) as error:
        session.failures[PART] = str(error)
        return

    for setting in {one.setting.gamma: one.setting for _, one in missing}.values():
        deal(setting, session.data, dealt(root, setting))

    def run(job: tuple[Cell, PeerTraining]) -> None:
        cell, one = job
        if session.late():
            session.left_out[PART] += 1
            return
        try:
            result = one.run(python, dealt(root, one.setting))
        except MeasurementError as error:
            session.failures[cell.name] = " ".join(str(error).split())[-300:]
            return
        kept.keep(cell, result)
        say(f"{cell.name}: {result['test_last']:.3f} in {result['seconds']:.0f} s")

    with ThreadPoolExecutor(session.jobs) as pool:
        list(pool.map(run, missing))


def dealt(root: Path, setting: Setting) -> Path:
    """Where the images of a heterogeneity lie, for all trainings that have it."""
    return root / "robustness-byzfl" / f"gamma-{setting.gamma:g}"


def found_of_peer(kept: Kept) -> dict[str, Result]:
    """What is there, by name of the cell."""
    found = {cell.name: kept.find(cell) for cell, _ in trainings()}
    return {name: result for name, result in found.items() if result is not None}


def add_peer_rows(report: Report, found: dict[str, Result]) -> None:
    """One row a rule and heterogeneity: its worst attack at the last iterate, and at others."""
    for rule in RULES:
        for gamma in GAMMAS:
            here = {
                one.attack: found[cell.name]
                for cell, one in trainings()
                if cell.name in found and one.rule == rule and one.setting.gamma == gamma
            }
            if here:
                worst = min(here, key=lambda attack: here[attack]["test_last"])
                report.row(
                    table="ByzFL 0.0.11, f = 2",
                    chain=f"clipping, NNM, {rule}",
                    gamma=gamma,
                    worst_attack=worst,
                    last=min(one["test_last"] for one in here.values()),
                    selected=min(one["test_selected"] for one in here.values()),
                    best_over_time=min(one["test_best"] for one in here.values()),
                    attacks=len(here),
                )
