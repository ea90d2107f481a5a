"""Steps from one model to the next: the same bits at the coordinator and at every client."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch
from runtime.small_work import FEATURES, SEED, SETTINGS, A, work
from torch import nn

from fedplat import codecs
from fedplat.aggregators.mean import Mean
from fedplat.codecs.float32 import Float32
from fedplat.engine.commands import Aggregate
from fedplat.engine.events import Aggregated, Started
from fedplat.errors import CorruptPayloadError, DivergenceError
from fedplat.learning.torch_learner import TorchLearner
from fedplat.params import digest_of, encode_tensors
from fedplat.protocols import ClientResult, Stamp
from fedplat.runtime.changes import Changes, length
from fedplat.runtime.downlink import Downlink, one
from fedplat.runtime.server_work import ServerWork
from fedplat.runtime.steps import VERSIONS, Ring, Steps
from fedplat.storage.memory import MemoryBlobs
from fedplat.types import State

WIDE = 300


def topk(ratio):
    """Values and positions as they are: 8 bytes or more for each that travels."""
    return codecs.build({"name": "topk", "ratio": ratio, "entropy": "raw"})


TOPK = topk(0.02)


def module(norm=None):
    """Large enough that 64 bytes of header do not matter."""
    layers = [] if norm is None else [norm(WIDE)]
    return nn.Sequential(nn.Linear(FEATURES, WIDE), *layers, nn.ReLU(), nn.Linear(WIDE, 3))


def cargo_of(codec, algorithm="fedavg", norm=None):
    learner = TorchLearner(partial(module, norm), SETTINGS, "classification", SEED)
    return replace(work(algorithm, learner).cargo, downlink=codec)


@dataclass
class Federation:
    """A coordinator whose clients all send what a test draws; nobody trains."""

    cargo: object
    scale: float = 1e-2

    def __post_init__(self):
        self.blobs = MemoryBlobs()
        self.server = self.started()
        begun = self.server.initialise(0.0)
        self.states = [(begun.broadcast, begun.kept)]
        self.wanted = []

    def started(self):
        changes = Changes(self.cargo.broadcast_sizes)
        return ServerWork(self.cargo, Mean(), self.blobs, num_registered=1, changes=changes, seed=7)

    def round(self, update=None):
        number = len(self.states)
        if update is None:
            generator = torch.Generator().manual_seed(number)
            update = self.scale * torch.randn(self.cargo.shared.dim, generator=generator)
        self.wanted.append(update)
        extras = {
            name: torch.zeros(self.cargo.shared.num_trainable)
            for name in self.cargo.algorithm.extra_kinds
        }
        beside = {
            spec.name: torch.zeros(spec.shape, dtype=spec.dtype)
            for spec in self.cargo.shared.beside
        }
        frame, _ = self.cargo.codec.encode(update, self.cargo.shared, State(), Stamp(0, number))
        result = ClientResult(update, 1.0, beside=beside, extras=extras)
        sent = self.blobs.put(self.cargo.encode_update(result, frame))
        done = self.server.aggregate(self.command(number, sent), float(number))
        self.states.append((done.broadcast, done.kept))
        return done

    def command(self, number, sent):
        broadcast, kept = self.states[number - 1]
        return Aggregate(number, broadcast, kept, ((A, sent, 1.0),))

    def payload(self, number):
        return self.blobs.get(self.states[number][0])

    def fetched(self, first, last, server=None):
        """The bytes that travel to a client of one round, to make the broadcast of another."""
        known, wanted = self.states[first][0], self.states[last][0]
        whole, held = self.payload(last), self.payload(first)
        steps, spans = (server or self.server).travelling(known, wanted, 0, len(whole))
        made = bytearray(held)
        if steps:
            walked = Downlink.of(self.cargo).walked(held, steps)
            made[: len(walked)] = walked
        for start, stop in spans:
            made[start:stop] = whole[start:stop]
        assert digest_of(bytes(made)) == wanted
        return len(steps) + length(spans)


@pytest.fixture
def federation():
    one = Federation(cargo_of(TOPK))
    for _ in range(5):
        one.round()
    return one


# ── the same bits ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("first", range(5))
def test_a_client_that_missed_rounds_comes_to_the_bits_of_the_broadcast(federation, first):
    whole = len(federation.payload(5))
    assert 0 < federation.fetched(first, 5) < whole * 0.2 * (5 - first)


def test_a_late_client_is_led_to_an_older_broadcast_and_never_backwards(federation):
    assert federation.fetched(1, 3) < len(federation.payload(3))
    assert federation.fetched(3, 1) == len(federation.payload(1))  # all of it


def test_what_is_published_is_what_was_wanted_but_for_the_residual(federation):
    first = federation.cargo.decode_broadcast(federation.payload(0))[0].vector.double()
    last = federation.cargo.decode_broadcast(federation.payload(5))[0].vector.double()
    kept = federation.server.state(*federation.states[5]).kept
    residual = next(t for name, t in kept.items() if name.endswith("residual")).double()
    wanted = sum(update.double() for update in federation.wanted)
    assert residual.norm() > 0.1 * wanted.norm()  # or nothing would be shown
    torch.testing.assert_close(last - first, wanted - residual, atol=1e-6, rtol=0)


def test_without_a_downlink_codec_not_a_byte_is_another():
    plain = Federation(cargo_of(None))
    before = ServerWork(plain.cargo, Mean(), plain.blobs, num_registered=1)
    done = plain.round()
    assert before.initialise(0.0).kept == plain.states[0][1]
    vector = plain.cargo.first.params.vector + plain.wanted[0]
    assert bytes(plain.blobs.get(done.broadcast)) == encode_tensors([vector])
    assert plain.server.ring == Ring(done.broadcast, Steps())
    assert not any(
        name.startswith("downlink/") for name in plain.server.state(*plain.states[1]).kept
    )


@pytest.mark.parametrize("codec", [topk(0.001), Float32()], ids=["sparse", "dense"])
def test_a_value_that_no_step_moves_keeps_its_bits(codec):
    layout = Downlink.of(cargo_of(codec)).layout
    step, start = torch.zeros(layout.dim), torch.full((layout.dim,), -0.0)
    step[3] = 1.0
    frame, _ = codec.encode(step, layout, codec.init(layout), Stamp())
    walked = Downlink(codec, layout).walked(encode_tensors([start]), one(frame))
    values = np.frombuffer(walked, "<f4")
    assert values[3] == 1.0
    assert np.signbit(np.delete(values, 3)).all()


def test_buffers_travel_as_they_are_and_stay_what_the_server_made_of_them():
    federation = Federation(cargo_of(TOPK, norm=nn.BatchNorm1d))
    cargo = federation.cargo
    trained, dim = cargo.shared.num_trainable, cargo.shared.dim
    update = torch.cat([torch.ones(trained), torch.full((dim - trained,), 0.25)])
    federation.round(update)
    vector = cargo.decode_broadcast(federation.payload(1))[0].vector
    assert (vector[trained:] == cargo.first.params.vector[trained:] + 0.25).all()
    assert not (vector[:trained] == cargo.first.params.vector[:trained] + 1).all()  # compressed
    federation.fetched(0, 1)


@pytest.mark.parametrize(
    "part",
    [{"name": "fedadam", "server_lr": 0.1}, {"name": "scaffold"}, {"name": "fedavgm"}],
    ids=lambda part: part["name"],
)
def test_what_an_algorithm_keeps_or_sends_down_is_its_own(part):
    federation = Federation(cargo_of(TOPK, part))
    for _ in range(3):
        federation.round()
    federation.fetched(0, 3)
    kept = federation.server.state(*federation.states[3]).kept
    own = {n for n in kept if not n.startswith("downlink/")}
    assert own == set(federation.cargo.first.kept)


# ── how far back ─────────────────────────────────────────────────────────────────────────────────


def test_who_missed_more_rounds_than_are_kept_is_sent_the_model():
    federation = Federation(cargo_of(topk(0.001)))
    for _ in range(VERSIONS + 1):
        federation.round()
    whole = len(federation.payload(0))
    assert federation.fetched(0, VERSIONS + 1) == whole
    known, last = federation.states[1][0], federation.states[-1][0]
    assert federation.server.ring.between(known, last) is not None


def test_steps_that_would_be_more_bytes_than_the_model_are_not_kept():
    federation = Federation(cargo_of(Float32()))
    federation.round()
    assert federation.server.ring.steps == Steps()
    assert federation.fetched(0, 1) == len(federation.payload(1))


def test_a_restarted_coordinator_knows_the_steps_again(federation):
    broadcast, kept = federation.states[5]
    events = [Aggregated(0.0, 5, broadcast, kept, broadcast), Started(1.0, 2)]
    again = federation.started()
    assert federation.fetched(2, 5, again) == len(federation.payload(5))
    again.go_on(events)
    assert again.ring.steps.bases == federation.server.ring.steps.bases
    assert federation.fetched(2, 5, again) == federation.fetched(2, 5)


def test_a_round_that_is_aggregated_once_more_gives_the_same_blobs(federation):
    sent = federation.blobs.put(
        federation.cargo.codec.encode(
            federation.wanted[4], federation.cargo.shared, State(), Stamp()
        )[0]
    )
    done = federation.started().aggregate(federation.command(5, sent), 9.0)
    assert (done.broadcast, done.kept) == federation.states[5]


def test_a_model_that_comes_back_to_an_earlier_one_is_found():
    steps, a, b = Steps(), "aa" * 32, "bb" * 32
    for base, step in ((a, b"12345"), (b, b"123")):
        steps = steps.followed(base, step, room_bytes=100)
    ring = Ring(a, steps)
    assert bytes(ring.between(b, a)) == b"123"
    assert bytes(ring.between(a, a)) == b""
    assert bytes(ring.between(a, b)) == b"12345"
    assert ring.between("cc" * 32, a) is None
    assert Steps.of(steps.tensors()) == steps


# ── what is not as it should be ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_step_that_is_not_finite_says_so_with_its_round(value):
    federation = Federation(cargo_of(TOPK))
    with pytest.raises(DivergenceError, match="round 1, client coordinator"):
        federation.round(torch.full((federation.cargo.shared.dim,), value))


def test_steps_that_were_cut_altered_or_are_of_another_model_are_refused(federation):
    downlink, held = Downlink.of(federation.cargo), federation.payload(0)
    steps, _ = federation.server.travelling(
        federation.states[0][0], federation.states[2][0], 0, len(held)
    )
    damaged = [bytes(steps[:cut]) for cut in range(1, len(steps), 7)]
    whole = {len(steps), *np.cumsum(federation.server.ring.steps.sizes).tolist()}
    for index in range(0, len(steps), 5):
        flipped = bytearray(steps)
        flipped[index] ^= 1 << index % 8
        damaged.append(bytes(flipped))
    for one_of in damaged:
        if len(one_of) in whole and one_of == steps[: len(one_of)]:
            continue  # the first step alone is one
        with pytest.raises(CorruptPayloadError):
            downlink.walked(held, one_of)
    with pytest.raises(CorruptPayloadError):
        downlink.walked(held[: downlink.size_bytes - 1], steps)


def test_wrong_steps_lead_to_another_digest(federation):
    held, downlink = federation.payload(0), Downlink.of(federation.cargo)
    ring, digests = federation.server.ring, [one for one, _ in federation.states]
    right = ring.between(digests[0], digests[1])
    wrong = ring.between(digests[1], digests[2])
    assert digest_of(downlink.walked(held, right)) == digests[1]
    assert digest_of(downlink.walked(held, wrong)) not in digests
