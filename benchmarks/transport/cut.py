"""An upload that is cut: its receiver is killed, started again, and the client goes on."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import numpy as np

from benchmarks.figures import ROOT
from benchmarks.simulation.engines import our_paths
from benchmarks.transport.receiver import client
from fedplat.errors import TransportError
from fedplat.transports.grpc.channel import CHANNEL_OPTIONS
from fedplat.types import Digest
from fedplat.wire.transfer import FRAME_BYTES


class Falling:
    """A payload whose reader kills a process when it comes to a place in it."""

    def __init__(self, content: memoryview, place: int, process: subprocess.Popen[str]) -> None:
        self._content, self._place, self._process = content, place, process

    def __len__(self) -> int:
        return len(self._content)

    def __getitem__(self, span: slice) -> memoryview:
        if span.stop >= self._place and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        return self._content[span]


def extra_frames(size_bytes: int, place: float, folder: Path) -> tuple[float, int]:
    """How many frames are sent twice, and how many bytes the killed process had kept."""
    content = np.random.Generator(np.random.PCG64(8)).bytes(size_bytes)  # noqa: TID251
    digest = Digest(hashlib.sha256(content).hexdigest())
    process, channel = _receiver(folder)
    falling = Falling(memoryview(content), int(place * size_bytes), process)
    try:
        client(channel).put(digest, falling)  # type: ignore[arg-type]
        raise RuntimeError("the upload went on after its receiver was killed")
    except TransportError:
        channel.close()
    kept = sum(part.stat().st_size for part in folder.glob("incoming/*"))
    process, channel = _receiver(folder)
    sent = client(channel).put(digest, memoryview(content))
    channel.close()
    process.communicate()
    return max(0.0, (sent - (size_bytes - kept)) / FRAME_BYTES), kept


def _receiver(folder: Path) -> tuple[subprocess.Popen[str], grpc.Channel]:
    command = [sys.executable, "-m", "benchmarks.transport.receiver", "durable", str(folder)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **our_paths()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    port = int(process.stdout.readline())
    return process, grpc.insecure_channel(f"localhost:{port}", options=CHANNEL_OPTIONS)
