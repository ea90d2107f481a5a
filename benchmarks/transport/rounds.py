"""What a round costs besides training: a real coordinator, and clients that answer at once."""

import asyncio
import hashlib
import itertools
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.transport.coordinator import coordinator, issue
from benchmarks.transport.fleet import Answer, Fleet, Update
from benchmarks.transport.receiver import Discard
from fedplat import rng
from fedplat.engine.messages import Offer
from fedplat.transports.grpc.blob_client import BlobClient
from fedplat.types import Digest

INPUTS, OUTPUTS = 64, 10  # the digits'
PARAMETERS = INPUTS * OUTPUTS + OUTPUTS
FSYNCS = 101


def scenario(clients: int, rounds: int) -> dict[str, Any]:
    """Every client in every round, the smallest model, no evaluation."""
    return {
        "name": "round overhead",
        "seed": 1,
        "rounds": rounds,
        "data": {"name": "digits"},
        "clients": {"count": clients},
        "model": "logistic",
        "evaluation": {"every": 0, "federated": "never", "test": False},
    }


def answered(offer: Offer, data: BlobClient) -> Answer:
    """Fetches the model as any client does, and answers with small random numbers."""
    data.get(offer.broadcast, 1 << 30, Discard(hashes=True))
    numbers = rng.numpy_generator(1, "update", offer.client, offer.round_id)
    payload = numbers.normal(0.0, 1e-3, PARAMETERS).astype(np.float32).tobytes()
    digest = Digest(hashlib.sha256(payload).hexdigest())
    return Answer(Update(digest, memoryview(payload)), {})


def measure(clients: int, rounds: int, warm_up: int, folder: Path, *, tls: bool) -> dict[str, Any]:
    """Milliseconds of each round from commit to commit, and of an fsync on the same disk."""
    keys = folder / "keys" if tls else None
    if keys is not None:
        issue(keys, clients)
    name = "tls" if tls else "plain"
    with coordinator(folder / name, scenario(clients, rounds + warm_up), keys=keys) as running:
        before = fsync_ms(folder)
        asyncio.run(_federated(clients, running.address, keys))
        running.wait()
        after = fsync_ms(folder)
    commits = _commit_times(folder / name / "run" / "events.jsonl")
    laps = [1e3 * (b - a) for a, b in itertools.pairwise(commits)]
    return {"rounds_ms": laps[warm_up - 1 :], "fsync_ms": statistics.median([*before, *after])}


async def _federated(clients: int, where: str, keys: Path | None) -> None:
    fleet = Fleet(clients, where, keys, answered)
    await fleet.start()
    await fleet.finish()


def _commit_times(events: Path) -> list[float]:
    records = (json.loads(line) for line in events.read_bytes().splitlines())
    return [one["time_s"] for one in records if one["event"] == "RoundCommitted"]


def fsync_ms(folder: Path) -> list[float]:
    """How long it takes to make 4 KiB at the end of a file durable, as a log does."""
    path, times = folder / "fsync", []
    with path.open("wb", buffering=0) as file:
        for _ in range(FSYNCS):
            file.write(bytes(4096))
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(1e3 * (time.perf_counter() - start))
    path.unlink()
    return times
