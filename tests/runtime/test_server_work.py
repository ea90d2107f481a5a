"""The coordinator's work tells what is new in each broadcast, and holds no more than it needs."""

import numpy as np
import pytest
import torch
from runtime.small_work import A, torch_learner, work
from torch import nn

from fedplat.aggregators.mean import Mean
from fedplat.engine.commands import Aggregate
from fedplat.protocols import ClientResult, Stamp
from fedplat.runtime.changes import Changes
from fedplat.runtime.folding import LARGE
from fedplat.runtime.server_work import ServerWork
from fedplat.storage.memory import MemoryBlobs
from fedplat.types import State


def trained(cargo, *names):
    """An update in which only these tensors have moved."""
    update = torch.zeros(cargo.shared.dim)
    for name in names:
        update[cargo.shared.spans()[name]] = 1.0
    frame, _ = cargo.codec.encode(update, cargo.shared, State(), Stamp())
    return cargo.encode_update(ClientResult(update, 1.0), frame)


def spans(*names):
    """What travels to a client of the first round, where these tensors were trained."""
    cargo, blobs = work().cargo, MemoryBlobs()
    changes = Changes(cargo.broadcast_sizes)
    server = ServerWork(cargo, Mean(), blobs, num_registered=1, changes=changes)
    begun = server.initialise(0.0)
    update = blobs.put(trained(cargo, *names))
    command = Aggregate(1, begun.broadcast, begun.kept, ((A, update, 1.0),))
    done = server.aggregate(command, 1.0)
    assert sum(cargo.broadcast_sizes) == len(blobs.get(done.broadcast))
    return changes.between(begun.broadcast, done.broadcast, 0, cargo.broadcast_bytes)


def place(name):
    span = work().cargo.shared.spans()[name]
    return 4 * span.start, 4 * span.stop


def test_of_a_model_with_a_frozen_layer_only_the_other_travels():
    assert spans("2.weight") == [place("2.weight")]
    assert spans("0.weight") == [place("0.weight")]


def test_of_a_model_that_was_trained_everything_travels():
    everything = spans("0.bias", "0.weight", "2.bias", "2.weight")
    assert everything == [(0, work().cargo.broadcast_bytes)]


def test_of_a_model_that_did_not_move_nothing_travels():
    assert spans() == []


# ── what is held at a time ───────────────────────────────────────────────────────────────────────


class Remembering(MemoryBlobs):
    """A store that looks at what the work still holds, whenever it is given something."""

    def __init__(self):
        super().__init__()
        self.server, self.held = None, []

    def put_many(self, payloads):
        self.held.append(len(self.server._states))
        return super().put_many(payloads)


def test_the_old_state_is_let_go_before_the_new_one_is_stored():
    cargo, blobs = work().cargo, Remembering()
    blobs.server = server = ServerWork(cargo, Mean(), blobs, num_registered=1)
    begun = server.initialise(0.0)
    update = blobs.put(trained(cargo, "0.bias"))
    command = Aggregate(1, begun.broadcast, begun.kept, ((A, update, 1.0),))
    done = server.aggregate(command, 1.0)
    assert blobs.held == [0, 0]
    assert server.aggregate(command, 1.0) == done  # the old one is read again


def test_a_vector_alone_travels_from_its_own_memory():
    cargo = work().cargo
    payload = cargo.encode_broadcast(cargo.first)
    assert np.shares_memory(np.frombuffer(payload, np.uint8), cargo.first.params.vector.numpy())
    beside = work(learner=torch_learner(norm=nn.BatchNorm1d)).cargo
    assert isinstance(beside.encode_broadcast(beside.first), bytes)


class Compiled(Mean):
    """The mean that counts how often its fast path was taken."""

    calls = 0

    def add_many(self, state, updates, weights):
        Compiled.calls += 1
        return super().add_many(state, updates, weights)


@pytest.mark.parametrize("registered", [1, LARGE])
def test_the_fast_path_is_made_ready_where_folds_will_be_large(registered):
    before = Compiled.calls
    ServerWork(work().cargo, Compiled(), MemoryBlobs(), num_registered=registered).prepare()
    assert Compiled.calls - before == (registered == LARGE)
