"""A real coordinator in a process of its own (`fedplat server start`), watched from outside."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

import tomli_w

from benchmarks.figures import ROOT
from fedplat.types import client_id
from fedplat_server.authority import Authority

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_S = 0.002


@dataclass
class Running:
    """A coordinator that listens: its process, and where it is reached."""

    process: subprocess.Popen[str]
    records: SimpleQueue[dict[str, Any] | None]
    address: str
    keys: Path | None

    def anonymous_bytes(self) -> int:
        """The memory of the process that no file backs (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) << 10  # type: ignore[index]

    def cpu_s(self) -> float:
        """The processor time that it has taken so far, all its threads together."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / CLOCK_TICKS

    def wait(self) -> dict[str, Any]:
        """The record of the federation's end, once it has ended."""
        return _record(self.process, self.records, "finished")


def environment() -> dict[str, str]:
    """Lets a process of ours import the checkout, installed or not."""
    folders = [ROOT, *(ROOT / part for part in ("simulations", "server", "clients"))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}


def issue(folder: Path, clients: int) -> None:
    """A certificate for the coordinator, and one for each client, from our own authority."""
    authority = Authority(folder)
    authority.issue("coordinator", ["localhost"])
    for index in range(clients):
        authority.issue(client_id(index))


@contextmanager
def coordinator(
    folder: Path, scenario: Mapping[str, Any], *, keys: Path | None = None, **deployment: Any
) -> Iterator[Running]:
    """Starts a coordinator on loopback, in mutual TLS if there are `keys`; stops it at the end.

    What it says on its standard error is kept in `folder`/words.
    """
    folder.mkdir(parents=True)
    (folder / "scenario.toml").write_text(tomli_w.dumps(dict(scenario)))
    table: dict[str, Any] = {"scenario": "scenario.toml", "run": "run", **deployment}
    table |= {"address": "localhost:0", "data_address": "localhost:0"}
    if keys is not None:
        names = {"key": "coordinator.key", "certificate": "coordinator.pem"}
        files = {**names, "authority": "authority.pem"}
        table["tls"] = {name: str(keys / file) for name, file in files.items()}
    (folder / "coordinator.toml").write_text(tomli_w.dumps(table))
    command = [sys.executable, "-m", "fedplat.cli", "server", "start", "coordinator.toml", "--json"]
    with (
        (folder / "words").open("w") as words,
        subprocess.Popen(
            command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=words, text=True
        ) as process,
    ):
        records: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        reading = Thread(target=_read, args=(process, records))
        reading.start()
        try:
            address = str(_record(process, records, "listening")["address"])
            yield Running(process, records, address, keys)
        finally:
            process.send_signal(signal.SIGTERM)
            reading.join()


def _read(process: subprocess.Popen[str], records: SimpleQueue[dict[str, Any] | None]) -> None:
    """Takes what the coordinator says as it comes: a full pipe would hold it up."""
    assert process.stdout is not None
    for line in process.stdout:
        records.put(json.loads(line))
    records.put(None)


def _record(
    process: subprocess.Popen[str], records: SimpleQueue[dict[str, Any] | None], event: str
) -> dict[str, Any]:
    """The next record of this event."""
    while (record := records.get()) is not None:
        if record["event"] == event:
            return record
    raise RuntimeError(f"the coordinator ended with {process.wait()}")


@contextmanager
def watching(running: Running, peak: list[int]) -> Iterator[None]:
    """Keeps the largest anonymous memory seen in `peak[0]`, as long as the process is there."""
    done = Event()

    def watch() -> None:
        while not done.wait(SAMPLE_S):
            try:
                peak[0] = max(peak[0], running.anonymous_bytes())
            except (OSError, TypeError):  # it has ended
                return

    thread = Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
