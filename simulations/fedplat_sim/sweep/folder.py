"""A sweep's folder: bound to one definition, one JSON file a finished cell, then the results."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fedplat.errors import ConfigError, DataError, StorageError
from fedplat.telemetry.metrics_file import read_text, replace_text
from fedplat_sim.sweep.cells import Cell
from fedplat_sim.sweep.definition import flat

ABSENT = "nothing"


class Definition(Protocol):
    """What a folder is bound to: a file that names a scenario to run in many ways."""

    @property
    def name(self) -> str: ...

    @property
    def scenario(self) -> Path: ...

    @property
    def table(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class SweepFolder:
    """Reads and writes a sweep's files."""

    path: Path

    def cell_file(self, cell: Cell) -> Path:
        return self.path / "cells" / f"{cell.key}.json"

    def finished(self, cell: Cell) -> dict[str, Any] | None:
        """The record of a cell that has run, None if it has not.

        Raises: DataError, if its file is damaged or belongs to another scenario.
        """
        path = self.cell_file(cell)
        if not path.exists():
            return None
        try:
            record: dict[str, Any] = json.loads(read_text(path))
            same = record["scenario"] == cell.scenario.digest()
        except (ValueError, KeyError, TypeError) as error:
            reason = "is damaged; remove it, and the cell is run again"
            raise DataError(where=str(path), reason=reason) from error
        if not same:
            reason = (
                "is of another version of fedplat or of its scenario; remove it to run it again"
            )
            raise DataError(where=str(path), reason=reason)
        return record

    def keep(self, cell: Cell, record: Mapping[str, Any]) -> None:
        """Stores a cell's record, whole or not at all."""
        replace_text(self.cell_file(cell), f"{json.dumps(record, indent=1, sort_keys=True)}\n")

    def write(self, name: str, text: str) -> Path:
        replace_text(self.path / name, text)
        return self.path / name


def open_folder(path: Path, sweep: Definition) -> SweepFolder:
    """Makes a sweep's folder, or opens it again to go on.

    Raises: ConfigError, if it belongs to something else or to a sweep that says something else,
    with every difference; StorageError.
    """
    folder, said = SweepFolder(path), _said(sweep)
    bound = path / "sweep.json"
    if bound.exists():
        _refuse_differences(bound, said)
        return folder
    if path.exists() and any(path.iterdir() if path.is_dir() else [path]):
        reason = "is there already and is no sweep's folder; give another with --folder"
        raise ConfigError(where=str(path), reason=reason)
    try:
        (path / "cells").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"can not be made ({error.strerror}); give another with --folder"
        raise StorageError(where=str(path), reason=reason) from error
    folder.write("sweep.json", f"{json.dumps(said, indent=1)}\n")
    return folder


def _said(sweep: Definition) -> dict[str, Any]:
    """All that decides what a sweep runs: its own keys, and the base scenario's."""
    table = {"name": sweep.name, **sweep.table}
    try:
        base = tomllib.loads(sweep.scenario.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = f"can not be read: {error}"
        raise ConfigError(where=str(sweep.scenario), reason=reason) from error
    table |= {f"scenario.{key}": value for key, value in flat(base)}
    said: dict[str, Any] = json.loads(json.dumps(table, default=str))
    return said


def _refuse_differences(bound: Path, said: Mapping[str, Any]) -> None:
    try:
        before = dict(flat(json.loads(read_text(bound))))
    except (ValueError, AttributeError) as error:
        reason = "is damaged; start the sweep in another folder with --folder"
        raise DataError(where=str(bound), reason=reason) from error
    differences = list(_differences(before, dict(flat(said))))
    if differences:
        reason = (
            f"the sweep says something else now: {'; '.join(differences)}. "
            "Put it back, or start in another folder with --folder"
        )
        raise ConfigError(where=str(bound.parent), reason=reason)


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for key in dict.fromkeys([*before, *now]):
        old, new = before.get(key), now.get(key)
        if old != new:
            words = [ABSENT if one is None else json.dumps(one) for one in (old, new)]
            yield f"`{key}` was {words[0]} and is {words[1]}"
