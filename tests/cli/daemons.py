"""Federations of real daemons in a test: `fedplat up` in a folder, and an end to all of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sim.small import small

from fedplat.cli.local import COORDINATOR, Local
from fedplat.config.scenario import Scenario
from fedplat.engine.events import RoundCommitted
from fedplat.engine.journal import decode
from fedplat.storage import claim
from fedplat.storage.sqlite import SqliteStore

PATIENCE_S = 120.0


def scenario(**overrides: object) -> Scenario:
    """Digits, a logistic model, two clients, three rounds."""
    clients = {"clients.count": 2, "clients.per_round": None}
    return small(**{"evaluation.federated": "never", **clients, **overrides})


@dataclass(frozen=True)
class Words:
    """What `fedplat` in a process of its own left."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Daemons:
    """The folder `up` of a test's federation."""

    path: Path

    @property
    def local(self) -> Local:
        return Local(self.path / "up")

    def write(self, one: Scenario) -> Path:
        path = self.path / "scenario.toml"
        path.write_text(one.to_toml(), encoding="utf-8")
        return path

    def start(self, *words: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "fedplat.cli", *map(str, words)],
            cwd=self.path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words: object) -> Words:
        process = self.start(*words)
        out, err = process.communicate(timeout=PATIENCE_S)
        return Words(process.returncode, out, err)

    def kill(self, name: str) -> None:
        """Ends a daemon as a lost power supply would."""
        os.kill(int(self.local.daemon(name)["pid"]), signal.SIGKILL)
        self.until(lambda: not self.local.runs(name), f"{name} ends")

    def until(self, true: Callable[[], bool], what: str) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not true():
            if time.monotonic() > deadline_s:
                logs = "\n".join(
                    f"{log}:\n{log.read_text()}" for log in self.local.path.glob("*.log")
                )
                raise TimeoutError(f"{what}: not in {PATIENCE_S:g} s\n{logs}")
            time.sleep(0.01)

    def num_events(self) -> int:
        """The events in the coordinator's log, as its readable copy tells."""
        events = self.local.run.events
        return events.read_bytes().count(b"\n") if events.exists() else 0

    def commits(self) -> list[RoundCommitted]:
        """The rounds in the log of a federation that has ended."""
        self.until(lambda: not self.local.runs(COORDINATOR), "the coordinator ends")
        with SqliteStore(self.local.run.store) as store:
            events = [decode(entry) for entry in store.read()]
        return [event for event in events if isinstance(event, RoundCommitted)]


def environment() -> dict[str, str]:
    paths = os.pathsep.join(path for path in sys.path if path)
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}


@contextmanager
def daemons(path: Path) -> Iterator[Daemons]:
    """Federations in `path`; whatever happens, none of their daemons is left behind."""
    try:
        yield Daemons(path)
    finally:
        for file in path.rglob(claim.NAME):
            noted = claim.look(file.parent) or {}
            if noted.get("running") and "pid" in noted:
                os.kill(int(noted["pid"]), signal.SIGKILL)
