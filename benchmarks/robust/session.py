"""Trains many federations, a process per core, and keeps what each found."""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.robust.course import measure
from benchmarks.robust.setting import Setting
from fedplat.errors import FedplatError

Result = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One training; its name is that of the file in which its result is kept."""

    name: str
    setting: Setting
    part: str = ""


@dataclass
class Kept:
    """Results in a folder, each valid for one `stamp` of code and machine.

    With `any_code` those of other stamps are taken too, and counted.
    """

    folder: Path
    stamp: str
    any_code: bool = False
    of_other_code: int = 0

    def find(self, cell: Cell) -> Result | None:
        try:
            stored = json.loads((self.folder / f"{cell.name}.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        told = json.loads(json.dumps(cell.setting.as_json()))
        if not isinstance(stored, dict) or stored.get("setting") != told:
            return None
        if stored.get("stamp") != self.stamp:
            if not self.any_code:
                return None
            self.of_other_code += 1
        return dict(stored["result"])

    def keep(self, cell: Cell, result: Result) -> None:
        """Guarantees: a result is on disk whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{cell.name}.json"
        partial = path.with_suffix(".partial")
        whole = {"stamp": self.stamp, "setting": cell.setting.as_json(), "result": result}
        partial.write_text(json.dumps(whole, allow_nan=False))
        os.replace(partial, path)


@dataclass
class Session:
    """Measures what is not kept, in the order given.

    After `patience_s` nothing new is begun; what is missing then is counted in `left_out`, by part.
    A training that is refused is noted, and the others go on.
    """

    data: Path
    kept: Kept
    jobs: int
    patience_s: float
    device: str = "cpu"
    failures: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.perf_counter)

    def measure(self, cells: Sequence[Cell]) -> dict[str, Result]:
        """What each cell found, by name; cells with the same setting are trained once."""
        found = {cell.name: self.kept.find(cell) for cell in cells}
        missing = [cell for cell in cells if found[cell.name] is None]
        say(f"{len(cells) - len(missing)} trainings are kept, {len(missing)} to be made")
        if missing:
            with ProcessPoolExecutor(self.jobs, get_context("spawn")) as pool:
                for cell, result in self._trained(pool, missing):
                    self.kept.keep(cell, result)
                    found[cell.name] = result
        return {name: result for name, result in found.items() if result is not None}

    def _trained(
        self, pool: ProcessPoolExecutor, missing: Sequence[Cell]
    ) -> Iterable[tuple[Cell, Result]]:
        waiting = list(reversed(missing))
        running: dict[Future[Result], Cell] = {}
        done = 0
        while waiting or running:
            while waiting and len(running) < self.jobs and not self.late():
                cell = waiting.pop()
                running[pool.submit(timed, cell.setting.as_json(), self.data, self.device)] = cell
            if not running:
                break
            future = next(as_completed(running))
            cell, done = running.pop(future), done + 1
            try:
                result = future.result()
            except (FedplatError, ValueError) as error:
                say(f"{cell.name} is refused: {error}")
                self.failures[cell.name] = " ".join(str(error).split())[:300]
                continue
            say(self._progress(cell, result, done, len(waiting) + len(running)))
            yield cell, result
        self.left_out += Counter(cell.part for cell in waiting)

    def late(self) -> bool:
        """Whether nothing new is to be begun."""
        return time.perf_counter() - self.started > self.patience_s

    def _progress(self, cell: Cell, result: Result, done: int, left: int) -> str:
        spent = time.perf_counter() - self.started
        minutes = spent / done * left / 60
        return (
            f"{cell.name}: {result['test_last']:.3f} in {result['seconds']:.0f} s; "
            f"{left} left, about {minutes:.0f} minutes"
        )


def timed(told: Mapping[str, Any], folder: Path, device: str) -> Result:
    """Runs in a process of its own."""
    begun = time.perf_counter()
    return {**measure(told, folder, device), "seconds": round(time.perf_counter() - begun, 1)}


def say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
