"""Anonymous memory of a fold over a spool: a process of its own, so that nothing else is counted.

Usage: python -m benchmarks.folding.peak CLIENTS DIM FOLDER.  Updates are made one by one, in random
order, stored as files and folded in ClientId order: ahead, as far as the order is settled, as the
coordinator does it, and once more when all are there.  The answer is one line of JSON.
"""

import hashlib
import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.folding import updates
from fedplat.aggregators.mean import Mean
from fedplat.codecs.float32 import Float32
from fedplat.params import Layout
from fedplat.runtime.folding import Encoded, InMemory, fold
from fedplat.runtime.folding_ahead import FoldingAhead
from fedplat.storage.files import FileBlobs
from fedplat.types import Digest, TensorSpec, client_id

SAMPLE_S = 0.002
CHECKED = 1000  # columns whose plain float64 sum is kept beside, to compare with


def main() -> None:
    clients, dim, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    blobs, weights = FileBlobs(folder), [float(w) for w in updates.weights(clients)]
    layout = Layout.of([TensorSpec("w", torch.float32, (dim,))])
    buffer = np.empty(dim, dtype=np.float32)
    digests, heads = [Digest("")] * clients, np.empty((clients, CHECKED), dtype=np.float32)
    buffer[:], heads[:] = 0, 0  # touched, so that idle counts them
    _warm_up()
    idle, peak = anonymous_bytes(), [0]
    read, settled = partial(_read, blobs, layout), 0
    start = time.perf_counter()
    with watching(peak):
        ahead = FoldingAhead(Mean(), dim)
        for index in updates.arrival(clients):
            updates.row(index, dim, out=buffer)
            heads[index] = buffer[:CHECKED]
            digests[index] = blobs.put(memoryview(buffer).cast("B"))
            while settled < clients and digests[settled]:
                row = client_id(settled), digests[settled], weights[settled]
                ahead.add([row], [read(digests[settled])])
                settled += 1
        streamed = ahead.finish()
        del ahead
    first_bytes = peak[0] - idle
    same = hashlib.sha256(streamed.numpy().data).digest()
    del streamed
    idle, peak[0] = anonymous_bytes(), 0
    spooled = time.perf_counter()
    with watching(peak):
        mean = fold(Mean(), digests, weights, read)
    folded = time.perf_counter()
    answer = {
        "idle_bytes": idle,
        "ahead_peak_bytes": first_bytes,
        "peak_bytes": peak[0] - idle,
        "spool_bytes": sum(path.stat().st_size for path in folder.glob("??/*")),
        "spool_seconds": spooled - start,
        "fold_seconds": folded - spooled,
        "equals_plain_loop": _plain(heads, weights) == mean[:CHECKED].tolist(),
        "ahead_equals_fold": same == hashlib.sha256(mean.numpy().data).digest(),
    }
    sys.stdout.write(json.dumps(answer) + "\n")


def _read(blobs: FileBlobs, layout: Layout, digest: Digest) -> Encoded:
    return Encoded(Float32(), layout, blobs.get(digest))


def _warm_up() -> None:
    """Loads what a coordinator at work has loaded: the compiled loop, threads, the store's code."""
    rows = {Digest(str(i)): InMemory(torch.ones(1 << 20)) for i in range(8)}
    fold(Mean(), list(rows), [1.0] * len(rows), rows.__getitem__)


def _plain(heads: np.ndarray, weights: list[float]) -> list[float]:
    total = np.zeros(CHECKED)
    for head, weight in zip(heads, weights, strict=True):
        total = total + head.astype(np.float64) * weight
    return [float(value) for value in (total / sum(weights)).astype(np.float32)]


def anonymous_bytes() -> int:
    """The memory of this process that no file backs (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) << 10  # type: ignore[index]


@contextmanager
def watching(peak: list[int]) -> Iterator[None]:
    """Keeps the largest anonymous memory seen in `peak[0]`."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLE_S):
            peak[0] = max(peak[0], anonymous_bytes())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        peak[0] = max(peak[0], anonymous_bytes())


if __name__ == "__main__":
    main()
