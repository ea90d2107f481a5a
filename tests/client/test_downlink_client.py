"""A client takes the steps that its training process and its coordinator tell it of, and checks."""

import asyncio
import os

import pytest
import torch
from test_broadcasts import Client
from transports.data_plane import Coordinator

from fedplat import codecs
from fedplat.errors import TrainingError
from fedplat.params import Layout, digest_of
from fedplat.protocols import Stamp
from fedplat.runtime.downlink import Downlink, one
from fedplat.types import TensorSpec
from fedplat_client import answers

TOPK = {"name": "topk", "ratio": 0.01, "entropy": "raw"}
LAYOUT = Layout.of([TensorSpec("w", torch.float32, (50, 40))])
BEHIND = bytes(100)


class Federation:
    """A coordinator with two models, and the step between them."""

    def __init__(self, folder):
        codec = codecs.build(TOPK)
        self.first = torch.ones(LAYOUT.dim).numpy().tobytes() + BEHIND
        wanted = torch.arange(LAYOUT.dim, dtype=torch.float32)
        frame, _ = codec.encode(wanted, LAYOUT, codec.init(LAYOUT), Stamp())
        self.steps = one(frame)
        self.second = bytes(Downlink(codec, LAYOUT).walked(self.first, self.steps)) + BEHIND
        self.sent = []
        self.coordinator = Coordinator(folder, travelling=self.travelling, sent=self.sent.append)
        self.digests = [self.coordinator.blobs.put(each) for each in (self.first, self.second)]

    def travelling(self, known, digest, offset, size_bytes):
        if known == self.digests[0] and digest == self.digests[1]:
            return memoryview(self.steps), [(4 * LAYOUT.dim, size_bytes)]
        return memoryview(b""), [(offset, size_bytes)]


@pytest.fixture
def federation(tmp_path):
    made = Federation(tmp_path / "coordinator")
    with made.coordinator:
        yield made


@pytest.fixture
def client(tmp_path):
    return Client(tmp_path / "client")


def begun(client, tmp_path, first, layout=LAYOUT, part=TOPK):
    path = tmp_path / "first.bin"
    path.write_bytes(first)
    asyncio.run(client.broadcasts.begin(part, layout, path))


def test_the_first_model_is_made_here_and_the_second_is_a_step(federation, client, tmp_path):
    begun(client, tmp_path, federation.first)
    for digest in federation.digests:
        path = client.fetch(federation.coordinator, digest)
        assert digest_of(path.read_bytes()) == digest
    assert sum(federation.sent) == len(federation.steps) + len(BEHIND)


def test_a_client_that_has_a_later_model_keeps_that(federation, client, tmp_path):
    client.fetch(federation.coordinator, federation.digests[0])
    begun(client, tmp_path, bytes(10))
    before = sum(federation.sent)
    client.fetch(federation.coordinator, federation.digests[1])
    assert sum(federation.sent) - before == len(federation.steps) + len(BEHIND)


@pytest.mark.parametrize("first", [b"", b"another model", bytes(4 * LAYOUT.dim + 100)])
def test_a_first_model_that_is_another_costs_a_whole_one(federation, client, tmp_path, first):
    begun(client, tmp_path, first)
    path = client.fetch(federation.coordinator, federation.digests[1])
    assert path.read_bytes() == federation.second
    assert sum(federation.sent) == len(federation.second)


@pytest.mark.parametrize("shape", [(50, 39), (1 << 61,), (), (0,)])
def test_a_training_process_that_names_other_tensors_costs_a_whole_model(
    federation, client, tmp_path, shape
):
    layout = Layout.of([TensorSpec("w", torch.float32, shape)])
    begun(client, tmp_path, federation.first, layout)
    path = client.fetch(federation.coordinator, federation.digests[1])
    assert path.read_bytes() == federation.second


def test_a_first_model_that_is_a_link_is_not_read(federation, client, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"the client's own")
    os.symlink(secret, tmp_path / "link")
    asyncio.run(client.broadcasts.begin(TOPK, LAYOUT, tmp_path / "link"))
    assert not client.blobs.holds(digest_of(secret.read_bytes()))
    client.fetch(federation.coordinator, federation.digests[0])


def test_without_a_downlink_codec_nothing_is_made_here(federation, client, tmp_path):
    begun(client, tmp_path, federation.first, layout=None)
    begun(client, tmp_path, federation.first, part=None)
    client.fetch(federation.coordinator, federation.digests[0])
    assert sum(federation.sent) == len(federation.first)


# ── what a training process says of itself ───────────────────────────────────────────────────────


def test_the_tensors_that_move_are_read_as_they_were_said():
    said = {"moved": [["w", "weight", [50, 40]]]}
    assert answers.moved(said) == LAYOUT
    assert answers.moved({}) is None


@pytest.mark.parametrize(
    "moved",
    [
        None, 5, "w", [5], ["wab"], [["w", "weight"]], [["w", "weight", 5]], [["w", "x", [1]]],
        [["w", [], [1]]], [["w", "weight", [-1]]], [["w", "weight", [1.5]]], [[7, "head", [1]]],
        [["w", "weight", [True]]], [["w", "weight", [1 << 63]]], [["w", "head", [1]]] * 2,
        [["w", "weight", "12"]], {"w": 1},
    ],
)  # fmt: skip
def test_tensors_that_are_none_are_a_failed_start(moved):
    with pytest.raises(TrainingError, match="never does"):
        answers.moved({"moved": moved})
