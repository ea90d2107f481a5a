"""Large blobs over loopback: a bare gRPC stream, our service without and with hash, and durable."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import numpy as np

from benchmarks.figures import ROOT
from benchmarks.simulation.engines import our_paths
from benchmarks.transport.receiver import RAW, client
from fedplat.transports.grpc.channel import CHANNEL_OPTIONS
from fedplat.types import Digest
from fedplat.wire.transfer import FRAME_BYTES

KINDS = ("raw", "discard", "hash", "durable")
HASH_ALONE, DISK_ALONE = "hash alone", "disk alone"
Send = Callable[[Digest, memoryview], object]


def measure(size_bytes: int, repeats: int, folder: Path) -> dict[str, list[float]]:
    """Seconds of each arm by turn: one process sends a blob, another receives it.

    The sender's own hash is an arm of its own and not a part of the others: a client knows the
    digest of an update that it has made.  Each turn's blob is a new one.  The disk alone writes and
    flushes the same bytes, without hash or network: what a durable upload can at best take.
    """
    payload = np.random.Generator(np.random.PCG64(7)).integers(  # noqa: TID251
        0, 256, size_bytes, dtype=np.uint8
    )
    seconds: dict[str, list[float]] = {arm: [] for arm in (HASH_ALONE, DISK_ALONE, *KINDS)}
    with ExitStack() as stack:
        sends = {
            kind: _send(kind, stack.enter_context(receiver(kind, folder / kind))) for kind in KINDS
        }
        for turn in range(repeats + 1):
            payload[: FRAME_BYTES // 2] += 1
            view = payload.data
            start = time.perf_counter()
            digest = Digest(hashlib.sha256(view).hexdigest())
            found = {HASH_ALONE: time.perf_counter() - start}
            found[DISK_ALONE] = _write(view, folder / "disk")
            for kind, send in sends.items():
                start = time.perf_counter()
                send(digest, view)
                found[kind] = time.perf_counter() - start
            shutil.rmtree(folder / "durable" / digest[:2])
            for arm, one in found.items():
                seconds[arm] += [one] if turn else []  # the first turn warms up
    return seconds


def _write(payload: memoryview, path: Path) -> float:
    """Seconds to write a file and bring it to the disk."""
    start = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for first in range(0, len(payload), FRAME_BYTES):
            file.write(payload[first : first + FRAME_BYTES])
        os.fsync(file.fileno())
    seconds = time.perf_counter() - start
    path.unlink()
    return seconds


def _send(kind: str, channel: grpc.Channel) -> Send:
    if kind == "raw":
        put = channel.stream_unary(f"/{RAW}/Put")
        return lambda digest, payload: put(_frames(payload))
    return client(channel).put


def _frames(payload: memoryview) -> Iterator[bytes]:
    for start in range(0, len(payload), FRAME_BYTES):
        yield bytes(payload[start : start + FRAME_BYTES])


@contextmanager
def receiver(kind: str, folder: Path) -> Iterator[grpc.Channel]:
    """A receiving process, and a channel to it."""
    command = [sys.executable, "-m", "benchmarks.transport.receiver", kind, str(folder)]
    environment = {**os.environ, **our_paths()}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            with grpc.insecure_channel(f"localhost:{port}", options=CHANNEL_OPTIONS) as channel:
                yield channel
        finally:
            process.communicate()
