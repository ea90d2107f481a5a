"""What was decoded to be looked at is not decoded again to be folded, in bounded memory."""

from dataclasses import replace

import torch

from fedplat import codecs
from fedplat.aggregators import Mean
from fedplat.algorithms import build
from fedplat.engine.commands import Aggregate
from fedplat.engine.payload import Cargo
from fedplat.params import Layout, digest_of
from fedplat.protocols import Sparse, Stamp
from fedplat.runtime.looked import Looked
from fedplat.runtime.server_work import ServerWork
from fedplat.storage.memory import MemoryBlobs
from fedplat.types import State, TensorSpec, client_id

DIM = 1200
LAYOUT = Layout.of([TensorSpec("w", torch.float32, (30, 40))])


def cargo(ratio=0.1):
    part = {"name": "topk", "ratio": ratio, "error_feedback": False, "entropy": "rice"}
    first = LAYOUT.params({"w": torch.zeros(30, 40)})
    return Cargo(build({"name": "fedavg"}), codecs.build(part), first)


def update(one, seed, round_id=1):
    values = torch.randn(DIM, generator=torch.Generator().manual_seed(seed))
    return one.codec.encode(values, LAYOUT, State(), Stamp(round_id=round_id))[0]


def test_a_sparse_update_is_remembered_until_it_is_taken():
    one = cargo()
    payload = update(one, 1)
    looked = Looked(one)
    assert looked.flaw(digest_of(payload), payload, 1.0, 1) == ""
    row = looked.take(digest_of(payload))
    assert isinstance(row, Sparse)
    assert torch.equal(row.values, one.decode_row(payload).values)
    assert looked.take(digest_of(payload)) is None


def test_what_has_a_flaw_is_not_remembered():
    one, looked = cargo(), Looked(cargo())
    payload = update(one, 1)
    assert "made for round 1" in looked.flaw(digest_of(payload), payload, 1.0, 2)
    assert "corrupt" in looked.flaw(digest_of(b"x"), b"x", 1.0, 1)
    assert looked.take(digest_of(payload)) is looked.take(digest_of(b"x")) is None


def test_no_more_is_remembered_than_a_model_takes():
    one = cargo()
    looked, payloads = Looked(one), [update(one, seed) for seed in range(10)]
    for payload in payloads:
        looked.flaw(digest_of(payload), payload, 1.0, 1)
    rows = [looked.take(digest_of(payload)) for payload in payloads]
    assert [row is not None for row in rows] == [False] * 7 + [True] * 3  # 3 × 120 × 12 bytes
    dense = cargo(ratio=0.5)
    looked, payload = Looked(dense), update(dense, 1)
    assert looked.flaw(digest_of(payload), payload, 1.0, 1) == ""
    assert looked.take(digest_of(payload)) is None  # it takes more than the model


def test_the_aggregate_is_the_same_whether_it_was_remembered_or_not():
    one, blobs = cargo(), MemoryBlobs()
    payloads = [update(one, seed) for seed in range(3)]
    digests = blobs.put_many(payloads)
    found = []
    for remembered in (0, 2, 3):
        work = ServerWork(one, Mean(), blobs, num_registered=3)
        first = work.initialise(0.0)
        for digest, payload in list(zip(digests, payloads, strict=True))[:remembered]:
            work.looked.flaw(digest, payload, 1.0, 1)
        rows = tuple((client_id(i), digest, 1.0) for i, digest in enumerate(digests))
        command = Aggregate(1, first.broadcast, first.kept, rows)
        found.append(replace(work.aggregate(command, 0.0), time_s=0.0))
    assert found[0] == found[1] == found[2]
