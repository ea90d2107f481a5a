"""A federation whose daemons all run on this machine: its folder, its keys, its processes."""

import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import tomli_w

from fedplat.config import run_folder
from fedplat.config import scenario as scenarios
from fedplat.config.deployment import CoordinatorDeployment, load
from fedplat.config.run_folder import RunFolder
from fedplat.config.scenario import Scenario
from fedplat.errors import ConfigError, StorageError
from fedplat.storage import claim
from fedplat.telemetry.metrics_file import read_text, replace_text
from fedplat.types import client_id
from fedplat_server.authority import Authority

COORDINATOR = "coordinator"
HEAD = """# Written by `fedplat up`, anew each time.  Every daemon of this federation is yours, so a
# client's file allows what a scenario may need (`local_files`, `disclose`): not so by hand.
"""
ANY_PORT = "127.0.0.1:0"
HOSTS = ("localhost", "127.0.0.1", "::1")
POLL_S = 0.05
START_S = 300.0  # how long a daemon may take to load the data and the model
STOP_S = 15.0  # how long a daemon may take to stop before it is killed
TAIL_LINES = 12


@dataclass(frozen=True)
class Died:
    """A daemon that ended at once: its name, its exit code, and what it said last."""

    name: str
    code: int
    words: str


@dataclass(frozen=True)
class Local:
    """The folder of such a federation: what is where, and who runs."""

    path: Path

    @property
    def scenario(self) -> Path:
        return self.path / "scenario.toml"

    @property
    def processes(self) -> Path:
        return self.path / "up.json"

    @property
    def run(self) -> RunFolder:
        return RunFolder(self.path / COORDINATOR)

    def file(self, name: str) -> Path:
        return self.path / f"{name}.toml"

    def log(self, name: str) -> Path:
        return self.path / f"{name}.log"

    def folder(self, name: str) -> Path:
        return self.run.path if name == COORDINATOR else self.path / "clients" / name

    def daemon(self, name: str) -> Mapping[str, Any]:
        """What a daemon has noted: `running`, `pid`, `address`, `exit_code`, `why`."""
        return claim.look(self.folder(name)) or {"running": False}

    def runs(self, name: str) -> bool:
        return bool(self.daemon(name)["running"])

    @property
    def names(self) -> tuple[str, ...]:
        """The daemons: the coordinator, then the clients."""
        count = scenarios.load(self.scenario).clients.count
        return (COORDINATOR, *(client_id(index) for index in range(count)))

    @property
    def finished(self) -> bool:
        """Whether the federation has come to its result."""
        return run_folder.has_finished(self.run)

    @property
    def aborted(self) -> str | None:
        """Why its operator has ended it for good, if that was so."""
        return run_folder.aborted(self.run)


# ── the folder ───────────────────────────────────────────────────────────────────────────────────


def prepare(local: Local, scenario: Scenario) -> None:
    """Makes the folder, or sees that it is this scenario's.

    Raises: ConfigError, if something else is in it; StorageError, if it can not be written.
    """
    path = local.path
    if scenario.brings_own_data:
        reason = "each client's file must name its data, and `up` does not know them; write the "
        reason += "files by hand: `fedplat server start`, `fedplat client start`"
        raise ConfigError(where='data.name = "site"', reason=reason)
    if path.exists() and not path.is_dir():
        raise ConfigError(where=str(path), reason="is a file; give another --run")
    if path.exists() and any(path.iterdir()):
        begun = reopen(path)
        if begun.digest() != scenario.digest():
            reason = f"holds a federation of another scenario ({_difference(begun, scenario)}); "
            raise ConfigError(where=str(path), reason=reason + "give another --run")
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"can not be made ({error.strerror}); choose another folder with --run"
        raise StorageError(where=str(path), reason=reason) from error
    replace_text(local.scenario, scenario.to_toml())


def reopen(path: Path) -> Scenario:
    """The scenario of a folder.  Raises: ConfigError, if `fedplat up` did not make it."""
    local = Local(path)
    if not local.scenario.is_file() or RunFolder(path).settings.exists():
        raise ConfigError(where=str(path), reason="is no folder of `fedplat up`")
    return scenarios.load(local.scenario)


def unfinished(runs: Path, scenario: Scenario) -> Path | None:
    """The newest folder in which this scenario was begun and has not ended."""
    found = [one.path for one in _all(runs) if not one.finished and one.aborted is None]
    same = [path for path in found if reopen(path).digest() == scenario.digest()]
    return max(same, default=None)


def running(runs: Path) -> list[Path]:
    """The folders with a daemon that runs."""
    return [one.path for one in _all(runs) if any(map(one.runs, one.names))]


def _all(runs: Path) -> Iterator[Local]:
    """Every folder of `fedplat up` whose scenario this version can read."""
    for file in sorted(runs.glob("*/up.json")):
        with suppress(ConfigError):
            reopen(file.parent)
            yield Local(file.parent)


def _difference(begun: Scenario, given: Scenario) -> str:
    old, new = begun.model_dump(mode="json"), given.model_dump(mode="json")
    return "; ".join(f"{key}: {old[key]} → {new[key]}" for key in new if old[key] != new[key])


# ── starting ─────────────────────────────────────────────────────────────────────────────────────


def sandbox_for(local: Local) -> str:
    """How far the training of this scenario's clients can be shut in: data of a hub can not be read
    without the network, nor without writing into a cache.
    """
    return "off" if scenarios.load(local.scenario).data.name.startswith("hf:") else "available"


def start(local: Local, sandbox: str = "available", *, keep_updates: bool = False) -> Died | None:
    """Starts every daemon that does not run; returns the first that ended at once.

    The coordinator keeps its address while a client runs: that is where the client looks for it.
    """
    authority = Authority(local.path / "keys")
    _, *clients = local.names
    address = str(local.daemon(COORDINATOR).get("address", ANY_PORT))
    if not local.runs(COORDINATOR):
        address = address if any(map(local.runs, clients)) else ANY_PORT
        table: dict[str, Any] = {"scenario": "scenario.toml", "run": COORDINATOR}
        table |= {"address": address, "keep_updates": keep_updates or _keeps_updates(local)}
        keys = _keys(authority, COORDINATOR, HOSTS)
        _write(local.file(COORDINATOR), {**table, "data_address": ANY_PORT, "tls": keys})
        if died := _started(local, COORDINATOR, "server", "address"):
            return died
        address = str(local.daemon(COORDINATOR)["address"])
        _write(local.file(COORDINATOR), {**table, "address": address, "tls": keys})
    begun = []
    for name in clients:
        if not local.runs(name):
            settings: dict[str, Any] = {
                "coordinator": address,
                "folder": f"clients/{name}",
                "sandbox": sandbox,
                "local_files": True,  # they are the files of who typed this
                "lab": True,  # and so are the attacks
                "disclose": {"metrics": ["*"], "min_count": 0, "errors": True},  # to themselves
            }
            _write(local.file(name), {**settings, "tls": _keys(authority, name)})
            begun.append((name, _spawn(local, name, "client")))
    found = [_awaited(local, name, pid, "pid") for name, pid in begun]
    return next((one for one in found if one is not None), None)


def _keeps_updates(local: Local) -> bool:
    """Whether an earlier `up` was told to: half of them would be no use."""
    file = local.file(COORDINATOR)
    return file.exists() and load(file, CoordinatorDeployment).keep_updates


def tell_the_end(local: Local) -> Died | None:
    """Has the coordinator of a finished federation say so to clients that still run.

    Returns when they or the coordinator have ended; the coordinator's end, if it could not say it.
    """
    if not local.runs(COORDINATOR):
        died = _started(local, COORDINATOR, "server", "address")
        if died is not None and died.code != 0 and local.aborted is None:
            return died
    while local.runs(COORDINATOR) and any(map(local.runs, local.names[1:])):
        sleep(POLL_S)
    return None


def told(local: Local) -> dict[str, Any]:
    """Who runs where, for programs; `up.json` holds the same."""
    daemons = {name: local.daemon(name) for name in local.names}
    return {
        "event": "up",
        "run": str(local.path),
        "address": daemons[COORDINATOR].get("address"),
        "pids": {name: one.get("pid") for name, one in daemons.items() if one["running"]},
    }


def _started(local: Local, name: str, kind: str, fact: str) -> Died | None:
    return _awaited(local, name, _spawn(local, name, kind), fact)


def _spawn(local: Local, name: str, kind: str) -> int:
    """Starts a daemon in a session of its own: no terminal's Ctrl-C or end reaches it."""
    words = [sys.executable, "-m", "fedplat.cli", kind, "start", str(local.file(name))]
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(local.log(name)), append, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawn(sys.executable, words, os.environ, file_actions=files, setsid=True)


def _awaited(local: Local, name: str, pid: int, fact: str) -> Died | None:
    """Waits until a daemon has noted `fact`, or has ended."""
    deadline_s = monotonic() + START_S
    while True:
        noted = local.daemon(name)
        if noted["running"] and noted.get("pid") == pid and fact in noted:
            return None
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return Died(name, os.waitstatus_to_exitcode(status), tail(local, name))
        if monotonic() > deadline_s:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return Died(name, 1, f"it did not answer in {START_S:g} s\n{tail(local, name)}")
        sleep(POLL_S)


def tail(local: Local, name: str) -> str:
    """The last lines of a daemon's log."""
    log = local.log(name)
    return "\n".join(read_text(log).splitlines()[-TAIL_LINES:]) if log.exists() else ""


def _keys(authority: Authority, name: str, hosts: tuple[str, ...] = ()) -> dict[str, str]:
    key, certificate = authority.issue(name, hosts)
    files = {"key": key, "certificate": certificate, "authority": authority.certificate}
    return {what: f"keys/{path.name}" for what, path in files.items()}


def _write(path: Path, table: Mapping[str, Any]) -> None:
    replace_text(path, HEAD + tomli_w.dumps(table))


def note(local: Local) -> dict[str, Any]:
    """Writes `up.json`; returns what it says."""
    record = told(local)
    replace_text(local.processes, json.dumps(record, indent=1) + "\n")
    return record


# ── stopping ─────────────────────────────────────────────────────────────────────────────────────


def stop(local: Local, patience_s: float = STOP_S) -> tuple[list[str], list[str]]:
    """Ends every daemon; returns who stopped, and who had to be killed.  Removes nothing."""
    alive = {name: int(local.daemon(name)["pid"]) for name in local.names if local.runs(name)}
    names, killed = list(alive), list[str]()
    _signal(alive, signal.SIGTERM)
    deadline_s = monotonic() + patience_s
    while alive := {name: pid for name, pid in alive.items() if local.runs(name)}:
        if monotonic() > deadline_s and not killed:
            killed = list(alive)
            _signal(alive, signal.SIGKILL)
        sleep(POLL_S)
    return [name for name in names if name not in killed], killed


def _signal(alive: Mapping[str, int], number: signal.Signals) -> None:
    for pid in alive.values():
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass  # it has ended meanwhile
