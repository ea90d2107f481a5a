"""The coordinator's work tells what is new in each broadcast that it makes."""

import torch
from runtime.small_work import A, work

from fedplat.aggregators.mean import Mean
from fedplat.engine.commands import Aggregate
from fedplat.protocols import ClientResult
from fedplat.runtime.changes import Changes
from fedplat.runtime.server_work import ServerWork
from fedplat.storage.memory import MemoryBlobs
from fedplat.types import State


def trained(cargo, *names):
    """An update in which only these tensors have moved."""
    update = torch.zeros(cargo.shared.dim)
    for name in names:
        update[cargo.shared.spans()[name]] = 1.0
    frame, _ = cargo.codec.encode(update, State(), 0)
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
