"""What a run's folder says, read once: the scenario, the environment and the records by kind."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from fedplat.errors import ConfigError, DataError
from fedplat.telemetry.metrics_file import read, read_text
from fedplat.telemetry.progress import score_of
from fedplat.telemetry.records import (
    AttackSuccess,
    Baseline,
    CrossEvaluation,
    Evaluation,
    Finished,
    Record,
    Round,
    Shards,
    Started,
    Warned,
)

METRICS = "metrics.jsonl"
SCENARIO = "scenario.toml"
ENVIRONMENT = "environment.json"
Kind = TypeVar("Kind")


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """A run's files as values.  Of records that replace one another the last one is kept."""

    folder: Path
    scenario_text: str
    scenario: Mapping[str, Any]
    environment: Mapping[str, Any]
    started: Started | None
    shards: Shards | None
    rounds: tuple[Round, ...]
    evaluations: tuple[Evaluation, ...]
    cross: CrossEvaluation | None
    baselines: tuple[Baseline, ...]
    attack: AttackSuccess | None
    finished: Finished | None
    warned: tuple[Warned, ...]

    @property
    def name(self) -> str:
        named = self.started.name if self.started else self.scenario.get("name")
        return str(named or self.folder.name)

    @property
    def planned_rounds(self) -> int:
        """The rounds that the scenario asks for."""
        return self.started.rounds if self.started else len(self.rounds)

    @property
    def is_regression(self) -> bool:
        """Whether the score is an rmse, of which less is better, rather than an accuracy."""
        every = (*self.rounds, *self.baselines, *((self.finished,) if self.finished else ()))
        return any(record.rmse is not None for record in every) and not any(
            record.accuracy is not None for record in every
        )

    @property
    def scores(self) -> list[tuple[int, float]]:
        """The evaluated rounds with their accuracy or rmse."""
        found = ((record.round, score_of(record)) for record in self.rounds)
        return [(number, score) for number, score in found if score is not None]

    @property
    def losses(self) -> list[tuple[int, float]]:
        """The evaluated rounds with the loss on the test set."""
        return [(record.round, record.loss) for record in self.rounds if record.loss is not None]

    @property
    def score(self) -> float | None:
        """The last accuracy or rmse."""
        last = score_of(self.finished) if self.finished else None
        return last if last is not None else (self.scores[-1][1] if self.scores else None)

    @property
    def best(self) -> tuple[int, float] | None:
        """The round of the best score, and the score; the first of equals."""
        sign = -1 if self.is_regression else 1
        return max(self.scores, key=lambda entry: sign * entry[1], default=None)

    @property
    def loss(self) -> float | None:
        """The last loss on the test set."""
        if self.finished and self.finished.loss is not None:
            return self.finished.loss
        return self.losses[-1][1] if self.losses else None

    @property
    def digest(self) -> str | None:
        """The digest of the final model; of the last commit where the run was interrupted."""
        if self.finished and self.finished.digest:
            return self.finished.digest
        return self.rounds[-1].digest if self.rounds else None

    @property
    def bytes_up(self) -> int:
        return sum(record.bytes_up for record in self.rounds)

    @property
    def bytes_down(self) -> int:
        return sum(record.bytes_down for record in self.rounds)

    @property
    def seconds(self) -> float | None:
        """The time that the run took; the sum of its rounds where it was interrupted."""
        if self.finished and self.finished.seconds is not None:
            return self.finished.seconds
        totals = [(record.seconds or {}).get("total") for record in self.rounds]
        known = [total for total in totals if total is not None]
        return sum(known) if known else None

    def last_evaluation(self, model: str) -> Evaluation | None:
        """The last evaluation on the clients' test splits of the `global` or `personal` model."""
        found = [one for one in self.evaluations if one.model == model and one.split == "test"]
        return found[-1] if found else None


def load(folder: Path) -> Run:
    """Reads a run's folder.

    Raises: ConfigError, if it is none (the nearest name is offered); DataError, naming the file
        and where it can the line, if one can not be read.
    """
    _refuse_what_is_no_run(folder)
    records = read(folder / METRICS)
    text = _optional_text(folder / SCENARIO)
    return Run(
        folder=folder,
        scenario_text=text,
        scenario=_scenario(folder / SCENARIO, text),
        environment=_environment(folder / ENVIRONMENT),
        started=_last(records, Started),
        shards=_last(records, Shards),
        rounds=_in_order({one.round: one for one in _all(records, Round)}),
        evaluations=_in_order(
            {(one.round, one.split, one.model): one for one in _all(records, Evaluation)}
        ),
        cross=_last(records, CrossEvaluation),
        baselines=_in_order({one.name: one for one in _all(records, Baseline)}),
        attack=_last(records, AttackSuccess),
        finished=_last(records, Finished),
        warned=tuple(_all(records, Warned)),
    )


def _refuse_what_is_no_run(folder: Path) -> None:
    if folder.is_dir():
        if not (folder / METRICS).is_file():
            raise ConfigError(where=str(folder), reason=f"is no run's folder: it has no {METRICS}")
        return
    siblings = [one.name for one in folder.parent.iterdir()] if folder.parent.is_dir() else []
    near = get_close_matches(folder.name, sorted(siblings), n=1)
    offer = f"; did you mean {folder.parent / near[0]}?" if near else ""
    raise ConfigError(where=str(folder), reason=f"there is no such run{offer}")


def _optional_text(path: Path) -> str:
    return read_text(path) if path.exists() else ""


def _scenario(path: Path, text: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(where=str(path), reason=f"is not TOML: {error}") from error


def _environment(path: Path) -> Mapping[str, Any]:
    text = _optional_text(path)
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise DataError(where=str(path), reason=f"is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise DataError(where=str(path), reason="is not a JSON object")
    return found


def _all(records: Sequence[Record], kind: type[Kind]) -> list[Kind]:
    return [record for record in records if isinstance(record, kind)]


def _last(records: Sequence[Record], kind: type[Kind]) -> Kind | None:
    found = _all(records, kind)
    return found[-1] if found else None


def _in_order(by_key: Mapping[Any, Kind]) -> tuple[Kind, ...]:
    return tuple(by_key[key] for key in sorted(by_key))
