"""A thousand client engines in one process that sit idle before a real coordinator.

Usage: python -m benchmarks.transport.thousand COUNT SECONDS FOLDER.  The answer is a line of JSON.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.transport.coordinator import Running, coordinator, issue
from benchmarks.transport.fleet import Fleet

SETTLE_S = 3.0  # after the last welcome: handshakes and first offers are over


def scenario(clients: int) -> dict[str, Any]:
    """A federation whose open round waits for one client: the others have nothing to do."""
    return {
        "name": "idle",
        "seed": 1,
        "rounds": 1,
        "data": {"name": "digits", "client_validation": 0.0, "client_test": 0.0},
        "clients": {"count": clients, "per_round": 1},
        "model": "logistic",
        "evaluation": {"every": 0, "federated": "never"},
    }


def measure(clients: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Memory and processor time of the coordinator that the idle sessions take."""
    start = time.perf_counter()
    issue(folder / "keys", clients)
    issued_s = time.perf_counter() - start
    with coordinator(folder / "run", scenario(clients), keys=folder / "keys") as running:
        found = asyncio.run(_idle(running, clients, seconds))
    return {"clients": clients, "issue_s": issued_s, **found}


async def _idle(running: Running, clients: int, seconds: float) -> dict[str, Any]:
    await asyncio.sleep(SETTLE_S)
    empty_bytes, empty_cpu_s = running.anonymous_bytes(), running.cpu_s()
    fleet = Fleet(clients, running.address, running.keys)
    connect_s = await fleet.start()
    connecting_cpu_s = running.cpu_s() - empty_cpu_s
    await asyncio.sleep(SETTLE_S)
    start_s, start_cpu_s, most = time.perf_counter(), running.cpu_s(), running.anonymous_bytes()
    while time.perf_counter() - start_s < seconds:
        await asyncio.sleep(1.0)
        most = max(most, running.anonymous_bytes())
    elapsed_s = time.perf_counter() - start_s
    found = {
        "empty_mb": empty_bytes / 1e6,
        "sessions_mb": (most - empty_bytes) / 1e6,
        "core": (running.cpu_s() - start_cpu_s) / elapsed_s,
        "connect_s": connect_s,
        "connect_cpu_s": connecting_cpu_s,
        "connected": fleet.connected,
        "lost": fleet.times_lost,
    }
    await fleet.stop()
    return found


def main() -> None:
    count, seconds, folder = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    sys.stdout.write(json.dumps(measure(count, seconds, folder)) + "\n")


if __name__ == "__main__":
    main()
