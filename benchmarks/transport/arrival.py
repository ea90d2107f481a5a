"""Many large updates that arrive at one coordinator at once, and the memory that this takes.

The clients are the engines of `fleet`: nobody trains.  Their updates are the same random numbers
but for the last mebibyte, so that a hundred of them need the memory of one here; to the coordinator
they are a hundred different blobs.
"""

import asyncio
import hashlib
import math
import mmap
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.transport.coordinator import coordinator, issue, watching
from benchmarks.transport.fleet import Answer, Fleet, Update
from benchmarks.transport.rounds import INPUTS, OUTPUTS
from fedplat import rng
from fedplat.engine.messages import Offer
from fedplat.transports.grpc.blob_client import BlobClient
from fedplat.types import ClientId, Digest

TAIL_BYTES = 1 << 20
BLOCK = 1 << 22
SETTLE_S = 3.0
ROOM = 1.1  # of the disk: the spool, the model before and after


def width(parameters: int) -> int:
    """Of two equal hidden layers whose network has about so many parameters."""
    linear = INPUTS + OUTPUTS + 2
    return round((math.sqrt(linear**2 + 4 * (parameters - OUTPUTS)) - linear) / 2)


def parameters_of(hidden: int) -> int:
    return hidden * hidden + hidden * (INPUTS + OUTPUTS + 2) + OUTPUTS


def scenario(clients: int, hidden: int) -> dict[str, Any]:
    """One round that every client takes part in, and no evaluation."""
    return {
        "name": "arrival",
        "seed": 1,
        "rounds": 1,
        "data": {"name": "digits"},
        "clients": {"count": clients},
        "model": {"name": "mlp", "hidden": [hidden, hidden]},
        "evaluation": {"every": 0, "federated": "never", "test": False},
    }


@dataclass(frozen=True)
class Alike:
    """Updates that differ in their last mebibyte alone; each is mapped, none is in memory."""

    path: Path
    size_bytes: int
    before_the_tail: Any  # SHA-256 of what all have in common

    def update(self, client: ClientId) -> Update:
        with self.path.open("rb") as file:
            content = mmap.mmap(file.fileno(), self.size_bytes, access=mmap.ACCESS_COPY)
        tail = _numbers(client, TAIL_BYTES // 4)
        content[self.size_bytes - TAIL_BYTES :] = tail
        digest = self.before_the_tail.copy()
        digest.update(tail)
        return Update(Digest(digest.hexdigest()), memoryview(content))


def alike(path: Path, parameters: int) -> Alike:
    """Writes what the updates have in common."""
    digest, size_bytes = hashlib.sha256(), 4 * parameters
    common, block = size_bytes - TAIL_BYTES, _numbers(ClientId("all"), BLOCK // 4)
    with path.open("wb") as file:
        for start in range(0, common, BLOCK):
            piece = block[: min(BLOCK, common - start)]
            file.write(piece)
            digest.update(piece)
        file.truncate(size_bytes)
    return Alike(path, size_bytes, digest)


def _numbers(client: ClientId, count: int) -> bytes:
    drawn = rng.numpy_generator(1, "arrival", client).normal(0.0, 1e-3, count)
    return bytes(drawn.astype(np.float32).tobytes())


def missing_bytes(clients: int, size_bytes: int, folder: Path) -> int:
    """How much room the disk lacks; 0, if it is enough."""
    needed = int(ROOM * (clients + 4) * size_bytes)
    return max(0, needed - shutil.disk_usage(folder).free)


def measure(clients: int, size_bytes: int, folder: Path) -> dict[str, Any]:
    """The coordinator's anonymous memory above idle, from the first offer to the end."""
    hidden = width(size_bytes // 4)
    updates = alike(folder / "common", parameters_of(hidden))
    issue(folder / "keys", clients)
    peak = [0]
    with coordinator(folder / "arrival", scenario(clients, hidden), keys=folder / "keys") as one:
        time.sleep(SETTLE_S)  # the first model is made and stored
        idle = one.anonymous_bytes()
        start = time.perf_counter()
        with watching(one, peak):
            asyncio.run(_submitted(clients, one.address, folder / "keys", updates))
        seconds = time.perf_counter() - start
    updates.path.unlink()
    shutil.rmtree(folder / "arrival")
    return {
        "clients": clients,
        "model_bytes": updates.size_bytes,
        "idle_bytes": idle,
        "peak_bytes": peak[0] - idle,
        "seconds": seconds,
    }


async def _submitted(clients: int, where: str, keys: Path, updates: Alike) -> None:
    def answered(offer: Offer, data: BlobClient) -> Answer:
        return Answer(updates.update(offer.client), {})

    fleet = Fleet(clients, where, keys, answered, threads=clients)
    await fleet.start()
    await fleet.finish()
