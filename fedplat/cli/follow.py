"""Shows a federation's records while other processes write them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from fedplat.cli.local import COORDINATOR, Local, tail
from fedplat.telemetry.display import Subscriber
from fedplat.telemetry.records import from_line

POLL_S = 0.1
REPORT_S = 30.0


class Tail:
    """The lines of a file that grows; each once, though the file may be replaced meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path, self._shown = path, 0
        self._seen: set[str] = set()
        self._inode: int | None = None

    def new(self) -> Iterator[str]:
        """The whole lines that have come since; a line that is being written waits."""
        try:
            with self._path.open("rb") as file:
                inode = self._path.stat().st_ino
                if inode != self._inode:
                    self._inode, self._shown = inode, 0
                file.seek(self._shown)
                content = file.read()
        except FileNotFoundError:
            return
        whole = content[: content.rfind(b"\n") + 1]
        self._shown += len(whole)
        for line in whole.decode("utf-8").splitlines():
            if line not in self._seen:
                self._seen.add(line)
                yield line


def follow(local: Local, display: Subscriber, warn: Callable[[str], None]) -> tuple[int, str]:
    """Shows every record until the federation, or its coordinator, has ended.

    Returns: its exit code, and what the coordinator said where it is not 0.
    """
    lines = Tail(local.run.metrics)
    gone: set[str] = set()
    while True:
        alive = local.runs(COORDINATOR)  # before the lines: what it wrote last is read too
        for line in lines.new():
            record = from_line(line)
            display.on(record)
            if record["event"] == "finished":
                _leave_time_for_the_report(local)
                return 0, ""
        if not alive:
            return _ended(local)
        for name in local.names[1:]:
            noted = local.daemon(name)
            if name not in gone and not noted["running"] and noted.get("exit_code") != 0:
                gone.add(name)
                warn(f"{name} does not run any more: see {local.log(name)}")
        sleep(POLL_S)


def _leave_time_for_the_report(local: Local) -> None:
    """Waits for the coordinator's end, for a while: it draws the report last."""
    deadline_s = monotonic() + REPORT_S
    while local.runs(COORDINATOR) and monotonic() < deadline_s:
        sleep(POLL_S)


def _ended(local: Local) -> tuple[int, str]:
    noted: dict[str, Any] = dict(local.daemon(COORDINATOR))
    if noted.get("exit_code") is None:
        reason = "the coordinator was killed; the same command starts it again, and it goes on"
        return 6, f"{reason}\n{tail(local, COORDINATOR)}"
    return int(noted["exit_code"]), str(noted["why"])
