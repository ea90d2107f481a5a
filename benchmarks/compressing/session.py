"""Runs cells two at a time, each in a process of its own, and keeps what they found."""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.figures import ROOT
from benchmarks.simulation.cells import Cells
from benchmarks.simulation.engines import our_paths
from benchmarks.simulation.process import MeasurementError
from benchmarks.simulation.process import measure as run_process

PROCESSES = 2
CELL_TIMEOUT_S = 3_600.0
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Cell:
    """One measurement: `module` is run with `spec`; the most important come first."""

    name: str
    module: str
    spec: Mapping[str, Any]


@dataclass
class Session:
    """Measures what is not stored; a cell that fails is noted, and the others go on.

    After `patience_s` nothing new is begun: what is missing then is told in `left_out`.
    """

    folder: Path
    cells: Cells
    patience_s: float
    started: float = field(default_factory=time.perf_counter)
    failures: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def measure(self, cells: Sequence[Cell]) -> dict[str, dict[str, Any]]:
        """What each cell found, by name, in the order given."""
        with ThreadPoolExecutor(PROCESSES) as pool:
            found = list(pool.map(self._one, cells))
        self.left_out.sort()
        return {
            cell.name: result
            for cell, result in zip(cells, found, strict=True)
            if result is not None
        }

    def _one(self, cell: Cell) -> dict[str, Any] | None:
        late = time.perf_counter() - self.started > self.patience_s
        try:
            return self.cells.get(cell.name, cell.spec, lambda: self._run(cell, late))
        except _TooLateError:
            self.left_out.append(cell.name)
        except MeasurementError as error:
            sys.stderr.write(f"{cell.name} failed: {error}\n")
            self.failures[cell.name] = " ".join(str(error).split())[-300:]
        return None

    def _run(self, cell: Cell, late: bool) -> dict[str, Any]:
        if late:
            raise _TooLateError
        words = [sys.executable, "-m", cell.module, str(self.folder), json.dumps(dict(cell.spec))]
        environment = {**our_paths(), **ONE_THREAD}
        measured = run_process(words, environment, cwd=ROOT, timeout_s=CELL_TIMEOUT_S)
        return {**measured.answer, "wall_s": measured.wall_s, "peak_mib": measured.peak_mib}


class _TooLateError(Exception):
    """A cell that is not stored, asked for after the session's patience."""


def cores() -> int:
    """How many cores there are for the two processes."""
    return os.cpu_count() or 1
