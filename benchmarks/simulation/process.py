"""Runs one measurement as a fresh process and watches the memory of its process tree."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROC = Path("/proc")
MEMORY_KIND = "peak of the sampled sum of PSS over the process tree"
LEAST_PAUSE_S = 0.25
COST_FACTOR = 50  # sampling may take 2 % of one core, however many processes there are
GRACE_S = 10.0


class MeasurementError(Exception):
    """A process that failed, ran too long, or gave no answer; the text ends with its last words."""


@dataclass(frozen=True)
class Measured:
    """`answer` is the last line of the process's output that is a JSON object."""

    answer: dict[str, Any]
    wall_s: float
    peak_mib: float | None

    def as_json(self) -> dict[str, Any]:
        return {"answer": self.answer, "wall_s": self.wall_s, "peak_mib": self.peak_mib}


def measure(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    *,
    cwd: Path,
    timeout_s: float,
) -> Measured:
    """Runs `command` to its end.

    Raises: MeasurementError, if it fails, takes longer than `timeout_s` or answers nothing.
    """
    words = [str(word) for word in command]
    start = time.perf_counter()
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    with MemoryWatch(process.pid) as memory:
        out, err = _communicate(process, timeout_s)
    wall_s = time.perf_counter() - start
    if process.returncode != 0:
        raise MeasurementError(f"exit code {process.returncode}: {_last_words(err or out)}")
    return Measured(last_object(out), wall_s, memory.peak_mib)


def last_object(text: str) -> dict[str, Any]:
    r"""The last line that is a JSON object.

    >>> last_object('noise\n{"a": 1}\n')
    {'a': 1}
    """
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            return found
    raise MeasurementError(f"no answer: {_last_words(text)}")


def _communicate(process: "subprocess.Popen[str]", timeout_s: float) -> tuple[str, str]:
    try:
        return process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise MeasurementError(f"took more than {timeout_s:.0f} s") from None
    finally:
        if process.poll() is None:  # too slow, or the operator has interrupted us
            for pid in tree(process.pid):  # Ray's daemons live in sessions of their own
                _end(pid)
            process.communicate()


def _end(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return


def _last_words(text: str) -> str:
    return " | ".join(line.strip() for line in text.strip().splitlines()[-6:])


# ── memory ───────────────────────────────────────────────────────────────────────────────────────


class MemoryWatch:
    """Samples the proportional set size of a process and its descendants until the block ends.

    `peak_mib` is None where the system does not tell (no /proc).  The pause between two samples
    grows with what a sample costs.
    """

    def __init__(self, pid: int) -> None:
        self.pid, self.peak_mib = pid, None if not PROC.exists() else 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(GRACE_S)

    def _watch(self) -> None:
        pause_s = 0.0
        while self.peak_mib is not None and (pause_s == 0.0 or not self._stop.wait(pause_s)):
            start = time.perf_counter()
            self.peak_mib = max(self.peak_mib, sum(map(pss_kib, tree(self.pid))) / 1024)
            pause_s = max(LEAST_PAUSE_S, COST_FACTOR * (time.perf_counter() - start))


def tree(pid: int) -> list[int]:
    """`pid` and its descendants, leaves first; what ends meanwhile is left out."""
    children = []
    for task in (PROC / str(pid) / "task").glob("*/children"):
        children += [int(word) for word in _read(task).split()]
    return [one for child in children for one in tree(child)] + [pid]


def pss_kib(pid: int) -> int:
    """The proportional set size: a page that n processes share counts 1/n in each."""
    for line in _read(PROC / str(pid) / "smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it ended, or is not ours
        return ""
