"""Stores each measurement as a file, so that an interrupted benchmark continues where it was."""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Result = dict[str, Any]


@dataclass(frozen=True)
class Cells:
    """Measured cells in a folder, each valid for one `stamp` (code, machine, versions) only."""

    folder: Path
    stamp: str

    def get(self, name: str, spec: Mapping[str, Any], measure: Callable[[], Result]) -> Result:
        """The stored result of `name` if it was measured as `spec` says; else measures and stores.

        Guarantees: a cell is on disk whole or not at all; an error of `measure` stores nothing.
        """
        path = self.folder / f"{name}.json"
        wanted = {"stamp": self.stamp, "spec": dict(spec)}
        stored = self._read(path)
        if {key: stored.get(key) for key in wanted} == wanted:
            return dict(stored["result"])
        sys.stderr.write(f"measuring {name} …\n")
        result = measure()
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps({**wanted, "result": result}, indent=1, allow_nan=False))
        os.replace(partial, path)
        return result

    @staticmethod
    def _read(path: Path) -> dict[str, Any]:
        try:
            found = json.loads(path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return found if isinstance(found, dict) else {}


def stamp(*parts: object) -> str:
    """One digest of everything that a stored cell depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
