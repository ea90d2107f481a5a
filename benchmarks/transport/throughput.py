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
from benchmarks.transport.coordinator import issue
from benchmarks.transport.receiver import RAW, client, credentials
from fedplat.transports.grpc.channel import CHANNEL_OPTIONS
from fedplat.types import Digest, client_id
from fedplat.wire.transfer import FRAME_BYTES

KINDS = ("raw", "discard", "hash", "durable")
OVER_TLS = ("raw", "discard", "durable")
TLS = " over TLS"  # behind the name of an arm
HASH_ALONE, DISK_ALONE = "hash alone", "disk alone"
Send = Callable[[Digest, memoryview], object]


def measure(size_bytes: int, repeats: int, folder: Path) -> dict[str, list[float]]:
    """Seconds of each arm by turn: one process sends a blob, another receives it.

    The sender's own hash is an arm of its own and not a part of the others: a client knows the
    digest of an update that it has made.  Each turn's blob is a new one.  The disk alone writes and
    flushes the same bytes, without hash or network: what a durable upload can at best take.  Some
    arms are repeated over mutual TLS.
    """
    keys = folder / "keys"
    issue(keys, 1)
    arms: dict[str, tuple[str, Path | None]] = {kind: (kind, None) for kind in KINDS}
    arms |= {kind + TLS: (kind, keys) for kind in OVER_TLS}
    payload = np.random.Generator(np.random.PCG64(7)).integers(  # noqa: TID251
        0, 256, size_bytes, dtype=np.uint8
    )
    seconds: dict[str, list[float]] = {arm: [] for arm in (HASH_ALONE, DISK_ALONE, *arms)}
    with ExitStack() as stack:
        sends = {
            arm: _send(kind, stack.enter_context(receiver(kind, folder / arm, secret)))
            for arm, (kind, secret) in arms.items()
        }
        for turn in range(repeats + 1):
            payload[: FRAME_BYTES // 2] += 1
            view = payload.data
            start = time.perf_counter()
            digest = Digest(hashlib.sha256(view).hexdigest())
            found = {HASH_ALONE: time.perf_counter() - start}
            found[DISK_ALONE] = _write(view, folder / "disk")
            for arm, send in sends.items():
                start = time.perf_counter()
                send(digest, view)
                found[arm] = time.perf_counter() - start
            for arm in ("durable", "durable" + TLS):
                shutil.rmtree(folder / arm / digest[:2])
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
def receiver(kind: str, folder: Path, keys: Path | None = None) -> Iterator[grpc.Channel]:
    """A receiving process, and a channel to it; in mutual TLS, if there are `keys`."""
    command = [sys.executable, "-m", "benchmarks.transport.receiver", kind, str(folder)]
    command += [] if keys is None else [str(keys)]
    environment = {**os.environ, **our_paths()}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            with _channel(f"localhost:{port}", keys) as channel:
                yield channel
        finally:
            process.communicate()


def _channel(where: str, keys: Path | None) -> grpc.Channel:
    if keys is None:
        return grpc.insecure_channel(where, options=CHANNEL_OPTIONS)
    secret = credentials(keys, client_id(0)).of_client()
    return grpc.secure_channel(where, secret, options=CHANNEL_OPTIONS)
