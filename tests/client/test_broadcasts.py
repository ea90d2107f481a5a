"""A client keeps its last broadcast until the next is whole; what is equal is not fetched."""

import asyncio

import pytest
from transports.data_plane import Coordinator, blob

from fedplat.errors import TransportError
from fedplat.runtime.changes import Changes
from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import Incoming
from fedplat.storage.memory import MemoryStates
from fedplat_client.broadcasts import Broadcasts

PART, SIZE = 1000, 5000


@pytest.fixture
def coordinator(tmp_path):
    changes, sent = Changes([SIZE - PART, PART]), []
    where = tmp_path / "coordinator"
    with Coordinator(where, between=changes.between, sent=sent.append) as one:
        one.sent, payload = sent, bytes(SIZE)
        one.rounds = [one.blobs.put(payload)]
        changes.begin(one.rounds[0])
        for number in range(1, 4):
            following = payload[:-PART] + bytes([number]) * PART
            one.rounds.append(one.blobs.put(following))
            changes.follow(one.rounds[-1], following, one.rounds[-2], payload)
            payload = following
        yield one


class Client:
    """A client's folder; made again: a restart."""

    def __init__(self, folder, states=None):
        self.blobs = FileBlobs(folder)
        self.states = states or MemoryStates()
        incoming = Incoming(self.blobs, folder / "incoming")
        self.broadcasts = Broadcasts(self.blobs, incoming, self.states)

    def fetch(self, coordinator, digest, wanted=frozenset()):
        async def moved(move):
            with coordinator.client() as data:
                await asyncio.to_thread(move, data)

        return asyncio.run(self.broadcasts.fetched(digest, moved, lambda: wanted))

    def holds(self, digests):
        return [self.blobs.holds(digest) for digest in digests]


def test_each_round_brings_only_what_has_changed_and_the_last_broadcast_stays(
    coordinator, tmp_path
):
    client = Client(tmp_path / "client")
    for digest in coordinator.rounds:
        path = client.fetch(coordinator, digest)
        assert path.read_bytes() == bytes(coordinator.blobs.get(digest))
    assert coordinator.sent == [SIZE, PART, PART, PART]
    assert client.holds(coordinator.rounds) == [False, False, False, True]


def test_a_client_that_missed_rounds_or_was_restarted_still_brings_only_what_has_changed(
    coordinator, tmp_path
):
    client = Client(tmp_path / "client")
    client.fetch(coordinator, coordinator.rounds[0])
    again = Client(tmp_path / "client", client.states)
    again.fetch(coordinator, coordinator.rounds[3])
    assert coordinator.sent == [SIZE, PART]


def test_a_broadcast_that_is_here_is_not_fetched_again(coordinator, tmp_path):
    client = Client(tmp_path / "client")
    for _ in range(2):
        client.fetch(coordinator, coordinator.rounds[0])
    assert coordinator.sent == [SIZE]


def test_the_last_broadcast_is_kept_while_the_next_can_not_be_fetched(coordinator, tmp_path):
    client = Client(tmp_path / "client")
    client.fetch(coordinator, coordinator.rounds[0])
    coordinator.server.stop(None).wait()
    with pytest.raises(TransportError):
        client.fetch(coordinator, coordinator.rounds[1])
    assert client.holds(coordinator.rounds[:2]) == [True, False]


def test_a_last_broadcast_that_was_damaged_is_not_built_upon(coordinator, tmp_path):
    client = Client(tmp_path / "client")
    client.fetch(coordinator, coordinator.rounds[0]).write_bytes(bytes(10))
    path = client.fetch(coordinator, coordinator.rounds[1])
    assert path.read_bytes() == bytes(coordinator.blobs.get(coordinator.rounds[1]))
    assert coordinator.sent == [SIZE, SIZE]


def test_what_is_still_wanted_stays_and_the_rest_goes(coordinator, tmp_path):
    client = Client(tmp_path / "client")
    update, old = (client.blobs.put(blob(10, seed)[0]) for seed in (1, 2))
    client.fetch(coordinator, coordinator.rounds[0], {update})
    assert client.holds([update, old, coordinator.rounds[0]]) == [True, False, True]
