"""Conducts a matrix from its file to its heat maps."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedplat.errors import FailedCellsError, InterruptedSweepError
from fedplat.learning import numerics
from fedplat_sim.matrix import tables
from fedplat_sim.matrix.cells import Place, refusals, runs
from fedplat_sim.matrix.definition import Matrix
from fedplat_sim.matrix.results import Results, gather
from fedplat_sim.sweep.cells import Cell
from fedplat_sim.sweep.execution import failed
from fedplat_sim.sweep.folder import SweepFolder, open_folder
from fedplat_sim.sweep.parallel import run_cells
from fedplat_sim.sweep.progress import Progress

Record = dict[str, Any]
Tell = Callable[[Mapping[str, Any]], None]
SHOWN = ("arm", "point", "seed", "state", "reason", "measures", "digest")


@dataclass(frozen=True)
class Outcome:
    """A matrix's results, all its records, and where its files are."""

    results: Results
    records: tuple[Record, ...]
    folder: Path


def conduct(matrix: Matrix, path: Path, processes: int | None, tell: Tell) -> Outcome:
    """Runs the cells of `matrix` that `path` does not have yet, and draws the heat maps there.

    Guarantees: but for the seconds in the cells' files, what is written does not depend on
    `processes` or on interruptions.
    Raises: ConfigError or DataError before anything runs; InterruptedSweepError after Ctrl-C;
    FailedCellsError at the end, when all others are done and written.
    """
    numerics.configure()  # before the first tensor: cells are forked from this process
    folder = open_folder(path, matrix) if path.exists() else None
    refused = refusals(matrix, lambda one: bool(folder and folder.finished(one)))
    folder = folder or open_folder(path, matrix)
    return _Conductor(matrix, folder, refused, processes or os.cpu_count() or 1, tell).go()


class _Conductor:
    def __init__(
        self,
        matrix: Matrix,
        folder: SweepFolder,
        refused: dict[Place, str],
        processes: int,
        tell: Tell,
    ) -> None:
        self.matrix, self.folder, self.refused = matrix, folder, refused
        self.processes, self.tell = processes, tell
        self.cells = list(runs(matrix, refused))
        self.records: dict[str, Record] = {}
        self.progress = Progress(len(self.cells), sum(one.scenario.rounds for one in self.cells))

    def go(self) -> Outcome:
        self._start()
        missing = [one for one in self.cells if not self._found(one)]
        self.progress.begin()
        try:
            run_cells(missing, self.folder, self.processes, self._at_round, self._ended)
        except KeyboardInterrupt as stop:
            command = f"fedplat sim matrix {self.matrix.source} --folder {self.folder.path}"
            raise InterruptedSweepError(
                done=self.progress.done, cells=self.progress.cells, command=command
            ) from stop
        records = tuple(self.records[one.key] for one in self.cells)
        results = gather(self.matrix, records, self.refused)
        outcome = Outcome(results, records, self.folder.path)
        self._write(outcome)
        self._finish(outcome)
        return outcome

    def _start(self) -> None:
        matrix = self.matrix
        self.tell(
            {
                "event": "started",
                "name": matrix.name,
                "folder": str(self.folder.path),
                "rules": list(matrix.rules),
                "attacks": list(matrix.attacks),
                "heterogeneity": matrix.key,
                "values": list(matrix.values) if matrix.key else [],
                "byzantine": list(matrix.byzantine),
                "seeds": list(matrix.seeds),
                "cells": self.progress.cells,
                "refused": len(self.refused),
                "processes": self.processes,
            }
        )

    def _found(self, one: Cell) -> bool:
        """Whether it had been finished before."""
        record = self.folder.finished(one)
        if record is None:
            return False
        self.progress.found(one)
        self._told(one, record)
        return True

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
        self.records[one.key] = {**record, "label": one.label}
        brief = {name: record[name] for name in SHOWN if name in record}
        self.tell({"event": "cell", "label": one.label, "trial": False, **brief, **self._so_far()})

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
        from fedplat_sim.matrix import charts  # late: matplotlib takes half a second to import
        from fedplat_sim.matrix.page import page

        results, write = outcome.results, self.folder.write
        write("table.txt", tables.as_text(results))
        write("cells.csv", tables.cells_csv(self.matrix, outcome.records))
        found = {"name": self.matrix.name, **tables.as_record(results)}
        write("matrix.json", f"{json.dumps(found, indent=1, sort_keys=True)}\n")
        write("report.html", page(results, outcome.records))
        charts.save(results, self.folder.path / "heatmap.svg")
        charts.save(results, self.folder.path / "heatmap.png")

    def _finish(self, outcome: Outcome) -> None:
        reasons = [
            f"{record['label']}: {record['reason']}"
            for record in outcome.records
            if record["state"] == "failed"
        ]
        self.tell(
            {
                "event": "finished",
                **tables.as_record(outcome.results),
                "failed": len(reasons),
                "folder": str(outcome.folder),
                "results": outcome.results,
            }
        )
        if reasons:
            raise FailedCellsError(
                failed=len(reasons),
                cells=len(outcome.records),
                reasons="; ".join(reasons),
                folder=outcome.folder / "report.html",
            )
