"""Runs one cell: from its scenario to its record."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from fedplat.config.build import Parts, build
from fedplat.engine.plan import Select, Selected
from fedplat.errors import FedplatError, InterruptedRunError
from fedplat.learning import numerics
from fedplat.params import raw_bytes
from fedplat.types import client_id
from fedplat_sim.run import Options, run
from fedplat_sim.sweep.cells import Cell

Record = Mapping[str, Any]
Told = Callable[[int], None]  # the rounds that are done
CENTRAL = ("accuracy", "rmse", "loss")
SPREAD = ("mean", "p10", "worst")


def execute(cell: Cell, told: Told = lambda rounds: None) -> dict[str, Any]:
    """Runs `cell` in memory, one client after another, and gives its record.

    A run that fails gives a record that says why.
    Guarantees: but for `seconds`, the record is a function of the cell and the numerics platform.
    Raises: InterruptedRunError, after Ctrl-C.
    """
    numerics.configure()
    watch = _Watch(told)
    try:
        parts = build(cell.scenario)
        cohorts = _Cohorts(parts.plan.select)
        parts = replace(parts, plan=replace(parts.plan, select=cohorts))
        draws = {"split": split_digest(parts), "initial": str(parts.work.cargo.initial.digest())}
        result = run(cell.scenario, Options(executor="sequential"), [watch], parts)
    except InterruptedRunError:
        raise
    except FedplatError as error:
        return failed(cell, str(error))
    measures = {**watch.central, **watch.clients, "bytes_up": result.bytes_up}
    return {
        **_about(cell),
        "state": "done",
        "measures": {name: value for name, value in measures.items() if value is not None},
        "evaluated": watch.model,
        "curve": watch.curve,
        "draws": {**draws, "cohorts": cohorts.digest()},
        "digest": result.digest,
        "rounds": result.rounds,
        "warnings": watch.warnings,
        "seconds": round(result.seconds, 3),
    }


def failed(cell: Cell, reason: str) -> dict[str, Any]:
    """The record of a cell that came to no result."""
    return {**_about(cell), "state": "failed", "reason": reason}


def _about(cell: Cell) -> dict[str, Any]:
    return {
        "arm": cell.arm,
        "point": dict(cell.point),
        "tuned": dict(cell.tuned),
        "seed": cell.seed,
        "trial": cell.is_trial,
        "scenario": cell.scenario.digest(),
        "environment": asdict(numerics.environment()),
    }


def split_digest(parts: Parts) -> str:
    """SHA-256 of who has which samples in which split, and of the test set."""
    digest = hashlib.sha256()
    for index in range(parts.scenario.clients.count):
        data = parts.shards.client(client_id(index))
        for one in (data.train, data.validation, data.test):
            digest.update(f"{len(one)}:".encode())
            digest.update(raw_bytes(one.inputs.contiguous()))
            digest.update(raw_bytes(one.targets.contiguous()))
    digest.update(raw_bytes(parts.loaded.test.inputs.to(torch.float32).contiguous()))
    return digest.hexdigest()


@dataclass
class _Cohorts:
    """Draws what `select` draws, and remembers it."""

    select: Select
    drawn: dict[int, tuple[Selected, ...]] = field(default_factory=dict)

    def __call__(self, round_id: int, now_s: float) -> tuple[Selected, ...]:
        self.drawn[round_id] = self.select(round_id, now_s)
        return self.drawn[round_id]

    def digest(self) -> str:
        """SHA-256 of the clients that each round asked."""
        plain = [(number, [one.client for one in asked]) for number, asked in self.drawn.items()]
        return hashlib.sha256(repr(plain).encode()).hexdigest()


@dataclass
class _Watch:
    """Takes a cell's figures from the records of its run.

    Of evaluations by the clients that of the model which they would use themselves counts: the
    personal one, where the algorithm makes such.
    """

    told: Told
    central: dict[str, float | None] = field(default_factory=dict)
    clients: dict[str, float | None] = field(default_factory=dict)
    curve: list[tuple[int, float]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    model: str = "global"

    def on(self, record: Mapping[str, Any]) -> None:
        match record["event"]:
            case "round":
                self._round(record)
            case "evaluation" if record["model"] == "personal" or self.model == "global":
                self._survey(record)
            case "finished" if not self.central:  # no round was played
                self.central = {name: record.get(name) for name in CENTRAL}
            case "attack_success" if record["rate"] is not None:
                self.clients["attack_success"] = record["rate"]
            case "warning":
                self.warnings.append(record["text"])

    def close(self) -> None:
        """Nothing is held open."""

    def _round(self, record: Mapping[str, Any]) -> None:
        self.central = {name: record.get(name) for name in CENTRAL}
        score = record["accuracy"] if record["accuracy"] is not None else record["rmse"]
        if score is not None:
            self.curve.append((record["round"], score))
        self.told(record["round"])

    def _survey(self, record: Mapping[str, Any]) -> None:
        self.model = record["model"]
        prefix = "validation" if record["split"] == "validation" else "client"
        overall = record["overall"]
        found = {f"{prefix}_{name}": overall.get(name) for name in CENTRAL}
        if prefix == "client":
            found |= {f"client_{name}": record[name] for name in SPREAD}
        self.clients |= found
