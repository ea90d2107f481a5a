"""An event log and client states in one SQLite file, for one writing process at a time."""

import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from fedplat.errors import StorageError
from fedplat.storage.memory import beyond_the_log, version_conflict

FORMAT = 1
PAGE = 256  # events that a reader fetches at a time
PENDING = "-wal"  # the write-ahead log of a file that is open, or whose process was killed
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS events (version INTEGER PRIMARY KEY, event BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS states (key TEXT PRIMARY KEY, state BLOB NOT NULL) STRICT, WITHOUT ROWID;
PRAGMA user_version = {FORMAT};
"""


class SqliteStore:
    """An `EventStore` and a `StateStore` in the file `path`, which is made if it is not there.

    Write-ahead log, flushed to the disk at every commit: what `append` and `put` have returned from
    survives a killed process and a lost power supply.  The file is locked for other processes while
    it is open.  Safe to use from several threads.  A context manager: closes the file.
    `read_only`: see `to_read`.

    Raises: StorageError, naming the file and what to do, if it is in use, read-only, damaged, not
    a database, or written by another version of fedplat.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._lock = RLock()
        with self._told():
            if not read_only:
                path.parent.mkdir(parents=True, exist_ok=True)
            uri = path.absolute().as_uri() + ("?mode=ro&immutable=1" if read_only else "")
            self._database = sqlite3.connect(
                uri, timeout=0, isolation_level=None, check_same_thread=False, uri=True
            )
        try:
            with self._told():
                if not read_only:
                    self._lock_file()
                self._look_over()
                if not read_only:
                    self._database.executescript(f"BEGIN EXCLUSIVE; {SCHEMA} COMMIT;")
                self._length = self._counted()
        except StorageError:
            self._database.close()
            raise

    @classmethod
    def to_read(cls, path: Path) -> "SqliteStore":
        """Opens a store that nobody writes to, on a read-only medium too; `append` is refused.

        Nothing is written unless a process holds the file or was killed over it: what such a one
        left in the write-ahead log is taken in first, for which the folder must be writable.
        """
        return cls(path, read_only=not path.with_name(path.name + PENDING).exists())

    def __enter__(self) -> "SqliteStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets the file go; other processes may open it."""
        with self._lock, self._told():
            self._database.close()

    # ── events ───────────────────────────────────────────────────────────────────────────────────

    @property
    def version(self) -> int:
        return self._length  # the file is locked: nobody else makes it longer

    def append(self, events: Sequence[bytes], expected_version: int) -> int:
        with self._lock:
            version = self._length
            with self._transaction(sum(map(len, events))):
                if version != expected_version:
                    raise version_conflict(str(self._path), version, expected_version)
                rows = enumerate(events, start=version)
                self._database.executemany("INSERT INTO events VALUES (?, ?)", rows)
            self._length = version + len(events)
            return self._length

    def read(self, from_version: int = 0) -> Iterator[bytes]:
        version = self.version
        if not 0 <= from_version <= version:
            raise beyond_the_log(str(self._path), version, from_version)
        return self._pages(from_version, version)

    def _pages(self, start: int, stop: int) -> Iterator[bytes]:
        for first in range(start, stop, PAGE):
            query = "SELECT event FROM events WHERE version >= ? AND version < ? ORDER BY version"
            with self._lock, self._told():
                page = self._database.execute(query, (first, min(first + PAGE, stop))).fetchall()
            for (event,) in page:
                yield event

    def _counted(self) -> int:
        """Raises: StorageError, if one is missing."""
        query = "SELECT count(*), coalesce(max(version) + 1, 0) FROM events"
        count, version = self._database.execute(query).fetchone()
        if count != version:
            reason = f"{version - count} events are missing from the log; restore it from a copy"
            raise StorageError(where=str(self._path), reason=reason)
        return int(version)

    # ── states ───────────────────────────────────────────────────────────────────────────────────

    def put(self, changes: Mapping[str, bytes | None]) -> None:
        removed = [(key,) for key, state in changes.items() if state is None]
        written = [(key, state) for key, state in changes.items() if state is not None]
        with self._transaction(sum(len(state) for _, state in written)):
            self._database.executemany("DELETE FROM states WHERE key = ?", removed)
            self._database.executemany("INSERT OR REPLACE INTO states VALUES (?, ?)", written)

    def get(self, key: str) -> bytes | None:
        with self._lock, self._told():
            query = "SELECT state FROM states WHERE key = ?"
            row = self._database.execute(query, (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def keys(self) -> list[str]:
        with self._lock, self._told():
            rows = self._database.execute("SELECT key FROM states").fetchall()
        return sorted((key for (key,) in rows), key=str.encode)

    # ── the file ─────────────────────────────────────────────────────────────────────────────────

    def _lock_file(self) -> None:
        """Asks for a lock that other processes notice, and for durable commits."""
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")

    def _look_over(self) -> None:
        """Refuses a file of another format, and one that is damaged."""
        execute = self._database.execute
        found = execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, FORMAT):
            reason = (
                f"format {found}, this fedplat reads {FORMAT}: open it with the one that wrote it"
            )
            raise StorageError(where=str(self._path), reason=reason)
        verdict = execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)

    @contextmanager
    def _transaction(self, size: int) -> Iterator[None]:
        """All of the block's changes, of `size` bytes, or none; durable at its end."""
        with self._lock, self._told(size):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:  # SQLite itself rolls back when a disk is full
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _told(self, size: int = 0) -> Iterator[None]:
        """Turns what SQLite refuses into a StorageError that says what to do."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            reason = f"{error}; {_advice(error)}{_room(self._path, size) if size else ''}"
            raise StorageError(where=str(self._path), reason=reason) from error


def _advice(error: sqlite3.Error | OSError) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "another process uses this run: wait until it ends, or stop it"
    if name.startswith("SQLITE_READONLY"):
        return "make the file and its folder writable, or copy the run to a place that is"
    if name.startswith("SQLITE_FULL"):
        return "free some disk space and start again; what was committed is kept"
    if name == "SQLITE_IOERR_WRITE":
        return "its disk, quota or the largest file allowed is used up; what was committed is kept"
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_IOERR")) or isinstance(error, OSError):
        return (
            "check that the folder is there, that its disk is well, and that it is writable: "
            "a run on a read-only medium is copied to a place that is"
        )
    return "the file was cut off or changed: restore it from a copy, or start the run anew"


def _room(path: Path, size: int) -> str:
    """What a write needed, and what its disk has."""
    try:
        free = shutil.disk_usage(path.parent).free
    except OSError:
        return ""
    return f" ({size:,} bytes and their index were to be written, {free:,} are free)"
