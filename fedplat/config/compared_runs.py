"""Two runs' folders as `fedplat diff` reads them: what they ran, where, and why they may differ."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedplat.config import run_folder as folders
from fedplat.config.client_environments import plain
from fedplat.config.run_folder import RunFolder
from fedplat.config.scenario import PATHS, Scenario
from fedplat.errors import ConfigError, DataError
from fedplat.runtime.comparison import Compared
from fedplat.telemetry import metrics_file
from fedplat.telemetry.records import ClientEnvironment
from fedplat.types import ClientId
from fedplat.wire.environment import Fingerprint, differences

INERT = ("name", *PATHS)  # what a scenario can say differently without another result
NAMED = 5  # clients that a sentence names; others are counted


@dataclass(frozen=True)
class ComparedRun:
    """A run's folder: only read, and not locked, so that it may be read-only or still be running.

    `clients` are the environments that a coordinator's clients said; a simulation's clients
    compute in its own.
    """

    folder: RunFolder
    scenario: Scenario
    environment: Fingerprint
    clients: Mapping[ClientId, Fingerprint]
    executor: str
    arithmetic: str

    def log(self) -> Iterator[bytes]:
        """The entries of the log's readable copy; one that was cut off by a crash is left out."""
        with self.folder.events.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line

    def environment_of(self, client: ClientId) -> Fingerprint | None:
        """What a client computed in; None, if this run of daemons was not told."""
        return self.clients.get(client, None if self.executor == "daemons" else self.environment)


@dataclass(frozen=True)
class Settings:
    """In what two runs differ before their first round; each difference in words, A's first."""

    scenario: tuple[str, ...]
    inert: tuple[str, ...]
    environment: tuple[str, ...]
    clients: Mapping[ClientId, tuple[str, ...]]
    arithmetic: tuple[str, ...]


def open_run(path: Path) -> ComparedRun:
    """Reads a run's folder, or the folder of `fedplat up`.

    Raises: ConfigError, if it is no run; DataError, StorageError, if it can not be read.
    """
    folder, scenario, settings = folders.reopen(folders.located(path))
    if not folder.events.is_file():
        reason = (
            f"has no {folder.events.name}: nothing was run in it yet, or it was not copied whole"
        )
        raise ConfigError(where=str(folder.path), reason=reason)
    return ComparedRun(
        folder,
        scenario,
        _environment(folder),
        _clients(folder),
        str(settings.get("executor")),
        str(settings.get("numerics")),
    )


def settings(a: ComparedRun, b: ComparedRun) -> Settings:
    """Compares what two runs were to do, and what they did it with."""
    left, right = (
        _flat(a.scenario.model_dump(mode="json")),
        _flat(b.scenario.model_dump(mode="json")),
    )
    keys = sorted(key for key in left.keys() | right.keys() if left.get(key) != right.get(key))
    said = {key: f"{key} {_shown(left, key)} ≠ {_shown(right, key)}" for key in keys}
    return Settings(
        scenario=tuple(said[key] for key in keys if key not in INERT),
        inert=tuple(said[key] for key in keys if key in INERT),
        environment=differences(b.environment, a.environment),
        clients=dict(_unlike_clients(a, b)),
        arithmetic=() if a.arithmetic == b.arithmetic else (f"{a.arithmetic} ≠ {b.arithmetic}",),
    )


def cause(found: Settings, first: Compared) -> str:
    """Why the first round that differs does so, most likely, in words."""
    if found.scenario:
        return f"the scenarios differ ({_few(found.scenario)})"
    if first.only_a or first.only_b:
        sides = ((first.only_a, "A"), (first.only_b, "B"))
        who = "; ".join(f"only {run} has {_few(clients)}" for clients, run in sides if clients)
        return f"other updates were accepted ({who})"
    if first.updates and found.arithmetic:
        return f"the executors compute with another arithmetic ({_few(found.arithmetic)})"
    clients = [one.client for one in first.updates]
    if suspects := [client for client in clients if client in found.clients]:
        each = [f"{client}: {_few(found.clients[client])}" for client in suspects]
        return f"the environments of clients differ ({_few(each)})"
    if first.weights:
        return f"the same updates counted with other weights ({_few(first.weights)})"
    if found.environment:
        return f"the environments differ ({_few(found.environment)})"
    what = f"the updates of {_few(clients)}" if clients else "the model"
    return (
        f"unknown: scenario, accepted updates and environments are the same, {what} not; "
        "`fedplat replay` tells whether a run agrees with itself"
    )


def _environment(folder: RunFolder) -> Fingerprint:
    text = metrics_file.read_text(folder.environment)
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise DataError(where=str(folder.environment), reason=f"is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise DataError(where=str(folder.environment), reason="is not a JSON object")
    return plain(fields)


def _clients(folder: RunFolder) -> dict[ClientId, Fingerprint]:
    records = metrics_file.read(folder.metrics) if folder.metrics.is_file() else []
    told = (one for one in records if isinstance(one, ClientEnvironment))
    return {ClientId(one.client): one.environment for one in told}


def _unlike_clients(a: ComparedRun, b: ComparedRun) -> Iterator[tuple[ClientId, tuple[str, ...]]]:
    for client in sorted({*a.clients, *b.clients}, key=str.encode):
        mine, theirs = a.environment_of(client), b.environment_of(client)
        if mine is not None and theirs is not None and mine != theirs:
            yield client, differences(theirs, mine)


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys as dotted ones."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= (
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return found


def _shown(table: Mapping[str, Any], key: str) -> str:
    return json.dumps(table[key], ensure_ascii=False) if key in table else "not given"


def _few(words: "tuple[str, ...] | list[str] | tuple[ClientId, ...] | list[ClientId]") -> str:
    more = len(words) - NAMED
    return ", ".join(words[:NAMED]) + (f" and {more} more" if more > 0 else "")
