"""The client's own account of what has left it: a line is durable before what it names goes out."""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fedplat.errors import StorageError

NAME = "disclosures.jsonl"
Line = Mapping[str, Any]


class Ledger:
    """Appends lines to `NAME` in `folder`; an existing file is continued, its torn last line cut.

    Guarantees: what `before` has returned from survives a killed process and a lost power supply.
    Raises: StorageError, if the file can not be read or written: then nothing may leave.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self._cut_torn_line()
        except OSError as error:
            raise self._unusable(error) from error
        self._last = {str(line["event"]): _facts(line) for line in lines(self._path)}

    def before(self, event: str, **facts: Any) -> None:
        """Takes down what is about to leave; the same as the last of its kind is not repeated."""
        if self._last.get(event) != {"event": event, **facts}:
            self._append({"event": event, **facts})
            try:
                os.fsync(self._file)
            except OSError as error:
                raise self._unusable(error) from error

    def after(self, event: str, **facts: Any) -> None:
        """Takes down what became of it; not flushed, since without it the line before says less."""
        if self._last.get(event) != {"event": event, **facts}:
            self._append({"event": event, **facts})

    def close(self) -> None:
        """Nothing leaves any more."""
        os.close(self._file)

    def _append(self, facts: dict[str, Any]) -> None:
        plain = json.loads(json.dumps(facts))  # as it will be read again
        at = datetime.now(UTC).isoformat(timespec="seconds")
        content = json.dumps({"at": at, **plain}, sort_keys=True).encode() + b"\n"
        try:
            size = os.fstat(self._file).st_size
            if os.write(self._file, content) != len(content):
                os.ftruncate(self._file, size)  # the next line begins where this one would have
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise self._unusable(error) from error
        self._last[str(facts["event"])] = plain

    def _cut_torn_line(self) -> None:
        size = os.fstat(self._file).st_size
        content = os.pread(self._file, size, 0)
        os.ftruncate(self._file, content.rfind(b"\n") + 1)

    def _unusable(self, error: OSError) -> StorageError:
        reason = f"{error.strerror}; what leaves this client is noted there first, so nothing does"
        return StorageError(where=str(self._path), reason=reason)


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of such a file, a torn last one left out.

    Raises: StorageError, if it can not be read or another line is none.
    """
    try:
        whole, _, _ = path.read_bytes().rpartition(b"\n")
    except OSError as error:
        raise StorageError(where=str(path), reason=f"can not be read ({error.strerror})") from error
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            found = json.loads(line)
            yield {"at": found["at"], "event": found["event"], **found}
        except (ValueError, KeyError, TypeError) as error:
            reason = f"line {number} is damaged; restore the file from a copy"
            raise StorageError(where=str(path), reason=reason) from error


def _facts(line: Line) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key != "at"}
