"""One run of the benchmark: what is measured how often, and every cell that came of it."""

import itertools
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.figures import ROOT
from benchmarks.simulation import cold_start, engines, scenarios
from benchmarks.simulation.cells import Cells
from benchmarks.simulation.engines import ENGINES, MODELS, Command, Engine, Setting
from benchmarks.simulation.process import MeasurementError, measure
from benchmarks.simulation.summary import Trained, trained, warm_median

CELL_TIMEOUT_S = 900.0
POPULATIONS = (100, 10_000)


@dataclass(frozen=True)
class Plan:
    """How much is measured.  After `patience_s`, what no figure needs is left out.

    `repeats` are those of the engines that a target needs, `row_repeats` those of the others;
    `pairs` those of short measurements.
    """

    rounds: int
    repeats: int
    row_repeats: int
    pairs: int
    overhead_rounds: int
    patience_s: float


QUICK = Plan(rounds=4, repeats=2, row_repeats=1, pairs=3, overhead_rounds=10, patience_s=330)
FULL = Plan(rounds=10, repeats=3, row_repeats=1, pairs=7, overhead_rounds=20, patience_s=1500)


@dataclass
class Session:
    """Measures cells one after another; what fails is noted and goes on.

    `pythons` are the interpreters by family; a family without one is left out.
    """

    plan: Plan
    data: Path
    workload: Path
    pythons: Mapping[str, Path]
    cells: Cells
    started: float = field(default_factory=time.perf_counter)
    failures: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    # ── training ─────────────────────────────────────────────────────────────────────────────────

    def train(self) -> dict[str, list[Trained]]:
        """All engines on both models, interleaved: every repeat visits every engine once.

        Rows without a target come after all repeats of the others.
        """
        runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
        turns = itertools.product((True, False), range(self.plan.repeats), MODELS)
        for counts, repeat, model in turns:
            for engine in self._due(counts, repeat, model):
                cell = self._train_once(engine, model, repeat)
                if cell is not None:
                    runs.setdefault((model, engine.name), []).append(cell)
        return {
            model: [
                trained(engine, runs[model, engine.name])
                for engine in ENGINES
                if (model, engine.name) in runs
            ]
            for model in MODELS
        }

    def _due(self, counts: bool, repeat: int, model: str) -> list[Engine]:
        """The engines of a repeat, each time in another order."""
        due = [
            engine
            for engine in ENGINES
            if engine.counts == counts
            and engine.family in self.pythons
            and model in engine.models
            and (engine.often or repeat < self.plan.row_repeats)
        ]
        turn = repeat % len(due) if due else 0
        return [*due[turn:], *due[:turn]]

    def _train_once(self, engine: Engine, model: str, repeat: int) -> dict[str, Any] | None:
        setting = Setting(model, self.plan.rounds, self.data, self.workload)
        command = engine.command(setting, self.pythons[engine.family])
        needed = repeat == 0 and engine.counts
        return self.cell(
            f"train-{model}-{slug(engine.name)}-{repeat}",
            {"model": model, "engine": engine.name, "rounds": self.plan.rounds, "repeat": repeat},
            lambda: self._process(command, engine.environment()),
            needed=needed,
        )

    # ── short measurements ───────────────────────────────────────────────────────────────────────

    def cold_starts(self) -> list[dict[str, Any]]:
        """Interleaved pairs; the first of a session warms the file cache and is thrown away."""
        warmed: list[bool] = []

        def run() -> dict[str, Any]:
            if not warmed:
                cold_start.pair()
                warmed.append(True)
            return cold_start.pair()

        return self._repeated("cold-start", self.plan.pairs, {}, run)

    def registered(self) -> list[dict[str, Any]]:
        """Pairs of warm seconds a sampled client, at 100 and at 10,000 registered clients."""
        rounds = 3 * self.plan.overhead_rounds

        def run() -> dict[str, Any]:
            return {str(count): self._registered(count, rounds) for count in POPULATIONS}

        return self._repeated("registered", self.plan.pairs, {"rounds": rounds}, run)

    def _registered(self, clients: int, rounds: int) -> float:
        command = engines.ours("registered", str(clients), str(rounds), self.data)
        measured = self._process(command, engines.our_paths())
        return warm_median(measured["answer"]["round_seconds"]) / scenarios.PER_ROUND

    def overhead(self, executor: str, repeats: int) -> list[float]:
        """Warm seconds of a round in which 100 clients do nothing."""
        rounds = self.plan.overhead_rounds
        command = engines.ours("overhead", executor, str(engines.PARALLEL), str(rounds), self.data)
        cells = self._repeated(
            f"overhead-{executor}",
            repeats,
            {"rounds": rounds},
            lambda: self._process(command, engines.our_paths()),
        )
        return [warm_median(cell["answer"]["round_seconds"]) for cell in cells]

    def flower_overhead(self, repeats: int) -> list[float]:
        """The same of Flower; empty where it is not installed."""
        if "flower" not in self.pythons:
            return []
        rounds, engine = 4, engines.BY_NAME["flower, 2 workers"]
        command = engines.flower_overhead(self.pythons["flower"], self.workload, rounds)
        cells = self._repeated(
            "overhead-flower",
            repeats,
            {"rounds": rounds},
            lambda: self._process(command, engine.environment()),
        )
        return [warm_median(cell["answer"]["round_seconds"]) for cell in cells]

    def parity(self) -> dict[str, dict[str, float]]:
        """The relative errors of the clients' updates by model and executor."""
        found = {}
        for model in MODELS:
            for executor in scenarios.EXECUTORS:
                command: Command = [
                    sys.executable, "-m", "benchmarks.simulation.parity",
                    model, executor, str(engines.PARALLEL), self.data,
                ]  # fmt: skip
                cell = self.cell(
                    f"parity-{model}-{executor}",
                    {},
                    lambda words=command: self._process(words, engines.our_paths()),
                )
                if cell is not None:
                    found[f"{model} {executor}"] = cell["answer"]
        return found

    # ── cells ────────────────────────────────────────────────────────────────────────────────────

    def cell(
        self,
        name: str,
        spec: Mapping[str, Any],
        run: Callable[[], dict[str, Any]],
        *,
        needed: bool = True,
    ) -> dict[str, Any] | None:
        """The cell's result; None if it failed, or was not needed and came too late."""
        if not needed and time.perf_counter() - self.started > self.plan.patience_s:
            self.left_out.append(name)
            return None
        try:
            return self.cells.get(name, spec, run)
        except MeasurementError as error:
            sys.stderr.write(f"{name} failed: {error}\n")
            self.failures[name] = " ".join(str(error).split())[-300:]
            return None

    def _repeated(
        self, name: str, repeats: int, spec: Mapping[str, Any], run: Callable[[], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        cells = [self.cell(f"{name}-{number}", spec, run) for number in range(repeats)]
        return [cell for cell in cells if cell is not None]

    def _process(self, command: Command, environment: Mapping[str, str]) -> dict[str, Any]:
        measured = measure(command, environment, cwd=ROOT, timeout_s=CELL_TIMEOUT_S)
        return measured.as_json()


def slug(name: str) -> str:
    """A name as a part of a file's name.

    >>> slug("pfl, 2 threads")
    'pfl-2-threads'
    """
    return "-".join(name.replace(",", " ").replace("_", " ").split())
