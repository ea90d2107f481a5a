"""A federation's work, as small as it can be: training is a function of client, round, broadcast.

Some of its numbers are so large, and cancel, that another order of summing gives other bits.
"""

from functools import lru_cache

import numpy as np
import torch

from fedplat import rng
from fedplat.aggregators.mean import Mean as MeanRule
from fedplat.algorithms.fedavg import FedAvg
from fedplat.codecs.float32 import Float32
from fedplat.engine.commands import Aggregate
from fedplat.engine.events import Aggregated
from fedplat.engine.payload import Cargo
from fedplat.params import Layout, digest_of, raw_bytes
from fedplat.runtime.server_work import ServerWork
from fedplat.storage.memory import MemoryBlobs
from fedplat.types import ClientId, Digest, Mean, TensorSpec

DIM = 8
LARGE = 2.0**70  # next to it a float64 sum forgets what is small
CACHED = 1 << 14
ROUND_BYTES = 4  # a client's state lists the rounds that count, so many bytes each
Row = tuple[ClientId, Digest, float]
Made = tuple[int, Digest]


@lru_cache(1)
def cargo() -> Cargo:
    """FedAvg over one tensor of a few numbers, which start at zero."""
    spec = TensorSpec("w", torch.float32, (DIM,))
    layout = Layout.of([spec])
    return Cargo(FedAvg(), Float32(), layout.params({"w": torch.zeros(DIM)}))


@lru_cache(CACHED)
def trained(client: ClientId, round_id: int, broadcast: Digest) -> bytes:
    """The update that this client makes of this broadcast."""
    generator = rng.numpy_generator(0, "chaos", "update", client, round_id, broadcast)
    large = generator.choice((-LARGE, 0.0, LARGE), DIM, p=(0.2, 0.6, 0.2)) / weight(client)
    values = np.where(large == 0, generator.normal(size=DIM), large)
    return bytes(raw_bytes(torch.from_numpy(values.astype("float32"))))


def spoiled() -> bytes:
    """An update that is not a number."""
    return bytes(raw_bytes(torch.full((DIM,), float("nan"))))


def weight(client: ClientId) -> float:
    """A client's number of samples: a power of two, so that weighing is exact."""
    return 2.0 ** int(client.rpartition("-")[2])


def judged(client: ClientId, broadcast: Digest) -> dict[str, Mean]:
    """What a client finds when it evaluates a broadcast."""
    loss = int(broadcast[:6], 16) / 2**24 + weight(client)
    return {"global/validation/loss": Mean.of(loss, 1)}


def rounds_of(state: bytes) -> list[int]:
    """The rounds that a client's state is made of."""
    starts = range(0, len(state), ROUND_BYTES)
    return [int.from_bytes(state[at : at + ROUND_BYTES], "little") for at in starts]


def next_state(state: bytes, round_id: int) -> bytes:
    """A client's state after one more round."""
    return state + round_id.to_bytes(ROUND_BYTES, "little")


@lru_cache(CACHED)
def calm(
    broadcast: Digest, kept: Digest, round_id: int, rows: tuple[Row, ...], made: tuple[Made, ...]
) -> tuple[Digest, Digest, Digest]:
    """What a calm run commits (broadcast, kept, model) after exactly these updates.

    `made` says of each row in which round, and of which broadcast, its update was made.
    Nothing else was ever computed by the one who computes this, and nothing ahead.
    """
    blobs = MemoryBlobs()
    work = ServerWork(cargo(), MeanRule(), blobs, num_registered=1)
    for payload in _states().get(broadcast, b""), _states().get(kept, b""):
        blobs.put(payload)
    for (client, _, _), (asked_in, of) in zip(rows, made, strict=True):
        blobs.put(trained(client, asked_in, of))
    fresh = all(asked_in == round_id for asked_in, _ in made)
    whole = sum(weight(client) for client, _, _ in rows)
    scale = 1.0 if fresh else sum(part for _, _, part in rows) / whole
    done: Aggregated = work.aggregate(Aggregate(round_id, broadcast, kept, rows, scale), 0.0)
    for digest in (done.broadcast, done.kept):
        _states()[digest] = bytes(blobs.get(digest))
    return done.broadcast, done.kept, done.model


@lru_cache(1)
def first() -> tuple[Digest, Digest, Digest]:
    """What a run starts from (broadcast, kept, model)."""
    blobs = MemoryBlobs()
    made = ServerWork(cargo(), MeanRule(), blobs, num_registered=1).initialise(0.0)
    for digest in (made.broadcast, made.kept):
        _states()[digest] = bytes(blobs.get(digest))
    return made.broadcast, made.kept, made.model


@lru_cache(1)
def _states() -> dict[Digest, bytes]:
    return {}


def update_of(client: ClientId, round_id: int, broadcast: Digest) -> Digest:
    """The digest of a client's update."""
    return digest_of(trained(client, round_id, broadcast))
