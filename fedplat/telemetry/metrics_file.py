"""`metrics.jsonl`: a run's records, one JSON object a line."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from fedplat.errors import DataError, StorageError
from fedplat.telemetry.records import Record, Warned, from_line, parse, to_line


class MetricsFile:
    """Appends records to a file, each flushed, so that a crash costs one line at most.

    An existing file is continued; a line that a crash cut off is removed first.
    Guarantees: no NaN and no infinity is ever written; a record that `read` would refuse neither.
    Raises: StorageError, if the file can not be written; ValueError on a malformed record.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._open()

    def on(self, record: Mapping[str, Any]) -> None:
        """Appends one record."""
        parse(record)
        try:
            self._file.write(to_line(record) + "\n")
            self._file.flush()
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def keep(self, wanted: Callable[[Mapping[str, Any]], bool]) -> list[dict[str, Any]]:
        """Removes every record that is not wanted, and returns those that stay.

        For a run that is resumed: what is done again is told again.
        Guarantees: the file is either the old or the new one, whenever the machine stops.
        """
        self._file.close()
        kept = [(line, fields) for line, fields in _lines(self._path) if wanted(fields)]
        replace_text(self._path, "".join(f"{line}\n" for line, _ in kept))
        self._file = self._open()
        return [fields for _, fields in kept]

    def close(self) -> None:
        """Closes the file, durably."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()

    def _open(self) -> TextIO:
        try:
            if self._path.exists():
                _drop_torn_line(self._path)
            return self._path.open("a", encoding="utf-8", newline="\n")
        except OSError as error:
            raise _unwritable(self._path, error) from error


def read(path: Path) -> list[Record]:
    """Reads a run's records in order.

    A last line without its line break was cut off by a crash: it is left out, and a `Warned` at the
    end says so.
    Raises: DataError with file and line, if a line is no record or the file can not be read.
    """
    text = read_text(path)
    whole, _, torn = text.rpartition("\n")
    records: list[Record] = []
    for number, line in enumerate(whole.split("\n") if whole else [], start=1):
        try:
            records.append(parse(from_line(line)))
        except ValueError as error:
            raise DataError(
                where=f"{path}:{number}", reason=f"not a record of a run ({error})"
            ) from error
    if torn:
        number = text.count("\n") + 1
        note = f"{path.name}: line {number} was cut off when the run stopped; it is left out"
        records.append(Warned(text=note))
    return records


def read_text(path: Path) -> str:
    """Reads a file of a run's folder.  Raises: DataError, naming it, if that can not be done."""
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise DataError(where=str(path), reason=f"can not be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(where=str(path), reason=f"is not UTF-8 at byte {error.start}") from error


def replace_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all.  Raises: StorageError."""
    beside = path.with_name(f".{path.name}.tmp")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise _unwritable(path, error) from error


def _lines(path: Path) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        try:
            found.append((line, from_line(line)))
        except ValueError as error:
            raise DataError(where=f"{path}:{number}", reason=str(error)) from error
    return found


def _drop_torn_line(path: Path) -> None:
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(where=str(path), reason=f"can not be written: {error.strerror}")
