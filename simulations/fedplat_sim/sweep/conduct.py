"""Conducts a sweep from its file to its results."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedplat.errors import FailedCellsError, InterruptedSweepError
from fedplat.learning import numerics
from fedplat_sim.sweep import latex, tables
from fedplat_sim.sweep.cells import (
    Cell,
    Point,
    finals,
    points,
    refuse_what_can_not_run,
    trials,
)
from fedplat_sim.sweep.definition import Sweep
from fedplat_sim.sweep.execution import failed
from fedplat_sim.sweep.folder import SweepFolder, open_folder
from fedplat_sim.sweep.parallel import run_cells
from fedplat_sim.sweep.progress import Progress
from fedplat_sim.sweep.results import Results, gather
from fedplat_sim.sweep.selection import Choice, choose

Record = dict[str, Any]
Tell = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Outcome:
    """A sweep's results, all its records, and where its files are."""

    results: Results
    choices: tuple[Choice, ...]
    records: tuple[Record, ...]
    folder: Path


def conduct(sweep: Sweep, path: Path, processes: int | None, tell: Tell) -> Outcome:
    """Runs the cells of `sweep` that `path` does not have yet, and writes its results there.

    Guarantees: but for the seconds in the cells' files, what is written does not depend on
    `processes` or on interruptions; the test set is read for chosen configurations only.
    Raises: ConfigError or DataError before anything runs; InterruptedSweepError after Ctrl-C;
    FailedCellsError at the end, when all others are done and written.
    """
    numerics.configure()  # before the first tensor: cells are forked from this process
    folder = open_folder(path, sweep) if path.exists() else None
    refuse_what_can_not_run(sweep)
    folder = folder or open_folder(path, sweep)
    return _Conductor(sweep, folder, processes or os.cpu_count() or 1, tell).go()


class _Conductor:
    def __init__(self, sweep: Sweep, folder: SweepFolder, processes: int, tell: Tell) -> None:
        self.sweep, self.folder, self.processes, self.tell = sweep, folder, processes, tell
        self.trials = trials(sweep)
        self.records: list[Record] = []
        one_each = [*self.trials, *finals(sweep, _first_of_each(sweep))]
        self.progress = Progress(len(one_each), sum(one.scenario.rounds for one in one_each))

    def go(self) -> Outcome:
        sweep = self.sweep
        self.tell(
            {
                "event": "started",
                "name": sweep.name,
                "folder": str(self.folder.path),
                "arms": [arm.name for arm in sweep.arms],
                "points": sweep.num_points,
                "seeds": list(sweep.seeds),
                "cells": self.progress.cells,
                "trials": len(self.trials),
                "processes": self.processes,
            }
        )
        self._run(self.trials)
        choices = choose(sweep, self.records)
        for choice in choices if sweep.is_tuned else ():
            self.tell(_chosen(choice, sweep))
        self._run(finals(sweep, {(one.arm, one.point): one.tuned for one in choices}))
        results = gather(sweep, choices, self.records)
        outcome = Outcome(results, tuple(choices), tuple(self.records), self.folder.path)
        self._write(outcome)
        self._finish(outcome)
        return outcome

    def _run(self, cells: Sequence[Cell]) -> None:
        missing = []
        for one in cells:
            record = self.folder.finished(one)
            if record is None:
                missing.append(one)
                continue
            self.progress.found(one)
            self._told(one, record)
        self.progress.begin()
        try:
            run_cells(missing, self.folder, self.processes, self._at_round, self._ended)
        except KeyboardInterrupt as stop:
            command = f"fedplat sim sweep {self.sweep.source} --folder {self.folder.path}"
            raise InterruptedSweepError(
                done=self.progress.done, cells=self.progress.cells, command=command
            ) from stop
        # as if they had run one after another, in the file's order
        order = {one.key: index for index, one in enumerate(cells)}
        fresh = self.records[len(self.records) - len(cells) :]
        self.records[len(self.records) - len(cells) :] = sorted(
            fresh, key=lambda record: order[record["key"]]
        )

    def _at_round(self, one: Cell, rounds: int) -> None:
        self.progress.at(one, rounds)
        self.tell({"event": "progress", **self._so_far()})

    def _ended(self, one: Cell, why: str) -> None:
        self.progress.ended(one)
        record = self.folder.finished(one)
        if record is None:
            record = failed(one, why or "its process left no record")
        self._told(one, record)

    def _told(self, one: Cell, record: Record) -> None:
        record = {**record, "key": one.key, "label": one.label}
        self.records.append(record)
        shown = ("arm", "point", "tuned", "seed", "trial", "state", "reason", "measures", "digest")
        brief = {name: record[name] for name in shown if name in record}
        self.tell({"event": "cell", "label": one.label, **brief, **self._so_far()})

    def _so_far(self) -> Record:
        known = self.progress
        return {
            "done": known.done,
            "cells": known.cells,
            "rounds_done": known.rounds_done,
            "rounds": known.rounds,
            "eta_s": known.eta_s,
        }

    def _write(self, outcome: Outcome) -> None:
        from fedplat_sim.sweep.page import page  # late: matplotlib takes half a second to import

        write = self.folder.write
        write("table.txt", tables.as_text(outcome.results))
        write("table.csv", tables.as_csv(self.sweep, outcome.results))
        write("cells.csv", tables.cells_csv(self.sweep, outcome.records))
        write("table.tex", latex.as_latex(self.sweep.name, outcome.results))
        write("report.html", page(self.sweep, outcome.results, outcome.choices, outcome.records))

    def _finish(self, outcome: Outcome) -> None:
        runs = len(self.sweep.arms) * self.sweep.num_points * len(self.sweep.seeds)
        done = [r for r in outcome.records if not r["trial"] and r["state"] == "done"]
        self.tell(
            {
                "event": "finished",
                "measure": outcome.results.measure.name,
                "rows": [tables.as_record(row, outcome.results) for row in outcome.results.rows],
                "notes": list(outcome.results.notes),
                "failed": runs - len(done),
                "folder": str(outcome.folder),
                "results": outcome.results,
            }
        )
        if len(done) < runs:
            reasons = [
                f"{r['label']}: {r['reason']}"
                for r in outcome.records
                if r["state"] == "failed" and not r["trial"]
            ]
            reasons += [
                f"{tables.where(one.arm, one.point)}: every configuration failed"
                for one in outcome.choices
                if one.best is None
            ]
            raise FailedCellsError(
                failed=runs - len(done),
                cells=runs,
                reasons="; ".join(reasons),
                folder=outcome.folder / "report.html",
            )


def _first_of_each(sweep: Sweep) -> dict[tuple[str, Point], Point | None]:
    return {
        (arm.name, point): points(arm.tune)[0] for arm in sweep.arms for point in points(sweep.grid)
    }


def _chosen(choice: Choice, sweep: Sweep) -> Record:
    best = choice.best
    return {
        "event": "chosen",
        "arm": choice.arm,
        "point": dict(choice.point),
        "tuned": None if best is None else dict(best.tuned),
        "by": sweep.by,
        "score": None if best is None or best.score is None else best.score.mean,
        "trials": len(choice.trials),
    }
