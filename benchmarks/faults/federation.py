"""A federation of processes, killed at a point, brought to its end, and judged."""

import json
import os
import selectors
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import tomli_w

from benchmarks.faults.doomed import children
from benchmarks.faults.kills import COORDINATOR, Kill, Point, told
from fedplat.config import scenario as scenarios
from fedplat.config.scenario import Scenario
from fedplat.engine.events import CoordinatorEvent, Initialised, RoundCommitted
from fedplat.engine.journal import decode, receipt
from fedplat.errors import FedplatError
from fedplat.storage.sqlite import SqliteStore
from fedplat.types import client_id
from fedplat_server.authority import Authority

PATIENCE_S = 60.0  # for one federation, whatever is killed
GRACE_S = 5.0  # for the clients to hear of the end
LAUNCHER = Path(__file__).with_name("launcher.py")
LARGEST = 1 << 16
TAIL = 2000  # characters of a log that a flaw is told with


def small(seed: int = 3) -> Scenario:
    """Digits, a logistic model, two clients, two rounds."""
    return scenarios.parse(
        {
            "name": "killed",
            "seed": seed,
            "rounds": 2,
            "data": {"name": "digits"},
            "partition": {"name": "dirichlet", "alpha": 0.5},
            "clients": {"count": 2},
            "model": {"name": "logistic"},
            "training": {"lr": 0.1, "batch_size": 32, "epochs": 1},
            "evaluation": {"federated": "never"},
        }
    )


@dataclass(frozen=True)
class Grounds:
    """What every run shares: the nursery, the keys, the scenario, the digest of the calm run."""

    folder: Path
    scenario: Scenario
    digest: str

    @property
    def nursery(self) -> Path:
        return self.folder / "nursery"

    @property
    def names(self) -> tuple[str, ...]:
        """The daemons."""
        count = self.scenario.clients.count
        return (COORDINATOR, *map(str, map(client_id, range(count))))


@dataclass(frozen=True)
class Ended:
    """What came of one run; `flaws` is empty where it is as it should be."""

    point: Point
    flaws: tuple[str, ...]
    seconds: float
    events: Mapping[str, int]
    missed: tuple[str, ...] = ()  # kills at which nothing died: the process had ended before
    unheard: tuple[str, ...] = ()  # clients that came back when the coordinator had ended
    commits: tuple[RoundCommitted, ...] = ()
    logs: Mapping[str, str] = field(default_factory=dict)  # what each daemon said


@contextmanager
def grounds(
    scenario: Scenario, digest: str, hosts: int = 1, extra: Mapping[str, str] | None = None
) -> Iterator[Grounds]:
    """Starts the nursery; ends it, and with it every process that is left.

    `extra` stands in the environment of all of them.
    """
    with tempfile.TemporaryDirectory(prefix="kill9-") as name:
        made = Grounds(Path(name), scenario, digest)
        authority = Authority(made.folder / "keys")
        authority.issue(COORDINATOR, [host(slot) for slot in range(hosts)])
        for client in made.names[1:]:
            authority.issue(client)
        launcher = made.folder / "python"
        source = LAUNCHER.read_text(encoding="utf-8")
        constants = f"PYTHON, NURSERY = {sys.executable!r}, {str(made.nursery)!r}\n"
        launcher.write_text(f"#!{sys.executable} -IS\n{constants}{source}", encoding="utf-8")
        launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR)
        environment = {
            **os.environ,
            "FEDPLAT_LAUNCHER": str(launcher),
            "OMP_NUM_THREADS": "1",
            **(extra or {}),
            "PYTHONPATH": os.pathsep.join(one for one in sys.path if one),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.faults.nursery", str(made.nursery)], env=environment
        )
        try:
            _await(made.nursery, process)
            yield made
        finally:
            process.kill()
            process.wait()


def _await(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline_s = monotonic() + PATIENCE_S
    while not path.exists():
        if process.poll() is not None or monotonic() > deadline_s:
            raise RuntimeError(f"the nursery did not start (exit code {process.returncode})")
        sleep(0.02)


def host(slot: int) -> str:
    """An address for the coordinators of one slot: no port of it is anybody else's."""
    return f"127.{1 + os.getpid() % 250}.{1 + os.getpid() // 250 % 250}.{1 + slot}"


@dataclass
class _Child:
    pid: int
    line: socket.socket

    def kill(self) -> None:
        """Returns when it is dead."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        while self.line.recv(LARGEST):
            pass
        self.line.close()


@dataclass
class _Run:
    """One federation on its way."""

    grounds: Grounds
    folder: Path
    slot: int
    point: Point
    modules: Mapping[str, Sequence[str]]
    address: str = ""
    alive: dict[str, _Child] = field(default_factory=dict)
    due: list[Kill] = field(default_factory=list)
    struck: set[str] = field(default_factory=set)
    flaws: list[str] = field(default_factory=list)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    digest: str = ""
    unheard: tuple[str, ...] = ()
    ended_s: float | None = None  # when the coordinator had come to its end

    def go(self) -> None:
        """Runs it to its end, or to the end of patience."""
        self.began_s = monotonic()
        self.due = sorted(
            (one for one in self.point if one.moment == "time"), key=lambda one: one.number
        )
        scenario = self.grounds.scenario.to_toml()
        (self.folder / "scenario.toml").write_text(scenario, encoding="utf-8")
        self._start(COORDINATOR, self.point)
        try:
            while self.alive and not self.flaws and not self.unheard:
                for key, _ in self.selector.select(self._patience_s()):
                    self._heard(key.data)
                self._strike()
        finally:
            for child in self.alive.values():
                child.kill()
            self.selector.close()

    def _patience_s(self) -> float:
        """How long nothing may happen; says so, if it is over."""
        now_s = monotonic()
        if now_s > self.began_s + PATIENCE_S:
            self.flaws.append(f"not at its end after {PATIENCE_S:g} s: {sorted(self.alive)} run")
        if self.ended_s is not None and now_s > self.ended_s + GRACE_S:
            self.unheard = tuple(self.alive)
        if self.due:
            return max(0.0, min(1.0, self.began_s + self.due[0].number - now_s))
        return 1.0

    def _start(self, name: str, point: Sequence[Kill]) -> None:
        """Has a daemon forked; `point` is for its first life."""
        kills = [str(one) for one in point if one.moment != "time" and one.daemon == name]
        kind = "server" if name == COORDINATOR else "client"
        file = self.folder / f"{name}.toml"
        file.write_text(tomli_w.dumps(self._deployment(name)), encoding="utf-8")
        line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        line.connect(str(self.grounds.nursery))
        module = self.modules.get(name, ("benchmarks.faults.doomed",))
        order = {
            "argv": [*module, kind, str(file), *kills],
            "cwd": str(self.folder),
            "log": str(self.folder / f"{name}.log"),
            "fds": [],
        }
        line.send(json.dumps(order).encode())
        self.alive[name] = _Child(json.loads(line.recv(LARGEST))["pid"], line)
        self.selector.register(line, selectors.EVENT_READ, name)

    def _deployment(self, name: str) -> dict[str, Any]:
        keys = self.grounds.folder / "keys"
        tls = {
            "key": str(keys / f"{name}.key"),
            "certificate": str(keys / f"{name}.pem"),
            "authority": str(keys / "authority.pem"),
        }
        if name == COORDINATOR:
            data = f"{host(self.slot)}:0"
            address = self.address or data
            where = {"scenario": "scenario.toml", "run": COORDINATOR}
            return {**where, "address": address, "data_address": data, "tls": tls}
        return {"coordinator": self.address, "folder": name, "tls": tls}

    def _heard(self, name: str) -> None:
        word = json.loads(self.alive[name].line.recv(LARGEST) or '{"exit": 1}')
        if "address" in word and not self.address:
            self.address = word["address"]
            for client in self.grounds.names[1:]:
                self._start(client, self.point)
        self.digest = word.get("digest", self.digest)
        self.struck |= {word["struck"]} if "struck" in word else set()
        if "exit" in word:
            self._ended(name, word["exit"])

    def _ended(self, name: str, code: int) -> None:
        child = self.alive.pop(name)
        self.selector.unregister(child.line)
        child.line.close()
        if code == -signal.SIGKILL:
            self.struck |= {str(one) for one in self.point if one.process == name}
            self._start(name, ())
        elif code != 0:
            self.flaws.append(f"{name} ended with exit code {code}")
        elif name == COORDINATOR:
            self.ended_s = monotonic()

    def _strike(self) -> None:
        while self.due and monotonic() >= self.began_s + self.due[0].number:
            kill = self.due.pop(0)
            child = self.alive.get(kill.daemon)
            victims = [] if child is None else [child.pid]
            if child is not None and kill.of_training:
                victims = children(child.pid)
            for pid in victims:
                os.kill(pid, signal.SIGKILL)
                self.struck.add(str(kill))


def conduct(
    ground: Grounds,
    point: Point,
    slot: int = 0,
    modules: Mapping[str, Sequence[str]] | None = None,
) -> Ended:
    """Runs the federation once and judges it.

    `modules`: by daemon, what is run in the place of benchmarks.faults.doomed, and its first words.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{slot}-", dir=ground.folder))
    run = _Run(ground, folder, slot, point, modules or {})
    began_s = monotonic()
    run.go()
    seconds = monotonic() - began_s
    events, commits = _read(run)
    logs = {one.stem: one.read_text() for one in sorted(folder.glob("*.log"))}
    shutil.rmtree(folder)
    if run.flaws:
        run.flaws += [f"{name}: {words[-TAIL:]}" for name, words in logs.items()]
    missed = tuple(str(kill) for kill in point if str(kill) not in run.struck)
    return Ended(point, tuple(run.flaws), seconds, events, missed, run.unheard, commits, logs)


def _read(run: _Run) -> tuple[dict[str, int], tuple[RoundCommitted, ...]]:
    """The numbers of events and the commits; compares the end with the calm run's."""
    counts: dict[str, int] = {}
    events: list[CoordinatorEvent] = []
    try:
        logs = {name: _entries(run.folder / name) for name in run.grounds.names}
        counts = {name: len(entries) for name, entries in logs.items()}
        events = [decode(entry) for entry in logs[COORDINATOR]]
    except FedplatError as error:
        run.flaws.append(str(error))
    if not run.flaws:
        run.flaws += flaws(events, run.grounds)
        if run.digest not in ("", run.grounds.digest):
            run.flaws.append(f"it ended with the digest {run.digest}, not {run.grounds.digest}")
    return counts, tuple(event for event in events if isinstance(event, RoundCommitted))


def _entries(folder: Path) -> list[bytes]:
    with SqliteStore.to_read(folder / "store.sqlite") as store:
        return list(store.read())


def flaws(events: Sequence[CoordinatorEvent], ground: Grounds) -> Iterator[str]:
    """What is wrong with a log: every round once, everybody's update once, the chain, the end."""
    commits = [event for event in events if isinstance(event, RoundCommitted)]
    rounds = [commit.round_id for commit in commits]
    if rounds != list(range(1, ground.scenario.rounds + 1)):
        yield f"the commits are of the rounds {rounds}"
    if sum(isinstance(event, Initialised) for event in events) != 1:
        yield "the first model is not there once"
    for commit in commits:
        if [one[0] for one in commit.accepted] != list(ground.names[1:]):
            yield f"round {commit.round_id} counts {[one[0] for one in commit.accepted]}"
    for before, after in pairwise(commits):
        if after.previous != receipt(before):
            yield f"the chain is broken between the rounds {before.round_id}, {after.round_id}"
    if not commits or str(commits[-1].model) != ground.digest:
        yield f"the last commit's model is not {ground.digest}"


def command(point: Point) -> str:
    """What repeats a run."""
    return f"python -m benchmarks.chaos --only kill9 --point {told(point)}"
