"""Availability traces from files.

CSV: a header `client,start_s,stop_s` (virtual seconds) or `client,start_round,stop_round`, a line a
window.  JSON: `{"unit": "seconds", "period": 86400, "clients": {"client-000000": [[0, 3600]]}}`,
where `unit` is "seconds" or "rounds" and `period` may be left out.  Windows are half-open.
"""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedplat.engine.availability import Trace, Unit, Window
from fedplat.errors import DataError
from fedplat.types import ClientId

HEADERS: Mapping[tuple[str, ...], Unit] = {
    ("client", "start_s", "stop_s"): "seconds",
    ("client", "start_round", "stop_round"): "rounds",
}
JSON_KEYS = {"unit", "period", "clients"}


def resolved(sampler: Mapping[str, Any]) -> dict[str, Any]:
    """The sampler part with its trace read, if it names a file; other parts as they are.

    `period`, in the trace's unit, makes the trace repeat and comes before the file's own.

    Raises: DataError, if the file can not be read or is no trace.
    """
    part = dict(sampler)
    if isinstance(part.get("trace"), str):
        part["trace"] = load(Path(part["trace"]), part.pop("period", None))
    return part


def load(path: Path, period: float | None = None) -> Trace:
    """Reads a trace file, CSV or JSON by its suffix.

    Raises: DataError, if it can not be read, is truncated, or holds something that is no window;
    a CSV's line or a JSON's client is named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(path, f"can not be read: {error}") from error
    readers = {".csv": _csv, ".json": _json}
    if path.suffix not in readers:
        raise _wrong(path, f"a trace ends in .csv or .json, not {path.suffix!r}")
    try:
        windows, unit, own_period = readers[path.suffix](text, path)
        return Trace(windows, unit, own_period if period is None else period)
    except (TypeError, ValueError) as error:
        raise _wrong(path, str(error)) from error


def _csv(text: str, path: Path) -> tuple[dict[ClientId, tuple[Window, ...]], Unit, None]:
    lines = csv.reader(io.StringIO(text), strict=True)
    header = tuple(next(lines, ()))
    if header not in HEADERS:
        wanted = " or ".join(",".join(one) for one in HEADERS)
        raise _wrong(path, f"the header must be {wanted}, got {','.join(header)!r}")
    windows: dict[ClientId, list[Window]] = {}
    try:
        for row in lines:
            client, start, stop = row
            windows.setdefault(ClientId(client), []).append((float(start), float(stop)))
    except (csv.Error, ValueError) as error:
        raise _wrong(path, f"line {lines.line_num} is no window: {error}") from error
    return {client: tuple(own) for client, own in windows.items()}, HEADERS[header], None


def _json(text: str, path: Path) -> tuple[dict[ClientId, tuple[Window, ...]], Unit, float | None]:
    table = json.loads(text)
    if not isinstance(table, dict) or not isinstance(table.get("clients"), dict):
        raise _wrong(path, 'needs an object with "clients": {"client-000000": [[start, stop]]}')
    if strange := sorted(table.keys() - JSON_KEYS):
        raise _wrong(path, f"unknown keys {strange}; known: {sorted(JSON_KEYS)}")
    windows = {ClientId(client): _windows(client, own) for client, own in table["clients"].items()}
    return windows, table.get("unit", "seconds"), table.get("period")


def _windows(client: str, own: Any) -> tuple[Window, ...]:
    try:
        return tuple((_number(start), _number(stop)) for start, stop in own)
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"{client}: {own!r} is no list of [start, stop]: {error}") from error


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _wrong(path: Path, reason: str) -> DataError:
    return DataError(where=str(path), reason=reason)
