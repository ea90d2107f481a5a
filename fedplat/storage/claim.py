"""A daemon's claim on its folder: one daemon at a time, and others can see whether it lives.

The lock belongs to the process, so that the system gives it back however the process ends.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from time import sleep
from types import TracebackType
from typing import Any, Self

from fedplat.errors import ConfigError, FedplatError, StorageError

NAME = "daemon.json"
TRIES, BETWEEN_S = 40, 0.05  # somebody who looks holds the lock for a moment too


class Claim:
    """Holds `folder` for this process; a context manager that notes how the daemon ended.

    Raises: ConfigError, if another process holds it; StorageError, if it can not be written.
    """

    def __init__(self, folder: Path) -> None:
        self._facts: dict[str, Any] = {"pid": os.getpid()}
        path = folder / NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            if not self._locked():
                os.close(self._file)
                pid = (look(folder) or {}).get("pid", "unknown")
                reason = f"a daemon (process {pid}) works in this folder already; stop it first"
                raise ConfigError(where=str(folder), reason=reason)
            self.tell()
        except OSError as error:
            raise StorageError(where=str(path), reason=f"{error.strerror}") from error

    def tell(self, **facts: Any) -> None:
        """Notes what others shall read in the file."""
        self._facts |= facts
        content = json.dumps(self._facts).encode() + b"\n"
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, content, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        code = 0 if error is None else 1
        if isinstance(error, FedplatError):
            code = error.exit_code
        elif isinstance(error, SystemExit) and isinstance(error.code, int):
            code = error.code
        self.tell(exit_code=code, why="" if error is None else str(error))
        os.close(self._file)

    def _locked(self) -> bool:
        for _ in range(TRIES):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                sleep(BETWEEN_S)
            else:
                return True
        return False


def look(folder: Path) -> Mapping[str, Any] | None:
    """What a daemon has noted in its folder, with `running`; None, if none was ever there.

    A daemon that was killed noted no `exit_code` and is not running.
    """
    try:
        file = os.open(folder / NAME, os.O_RDONLY)
    except OSError:
        return None
    try:
        running = not _free(file)
        content = os.read(file, 1 << 20)
    finally:
        os.close(file)
    try:
        return {**json.loads(content), "running": running}
    except ValueError:  # it is being written
        return {"running": running}


def _free(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
