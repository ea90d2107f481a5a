import hashlib
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from transports.data_plane import Coordinator, blob, first, until

from fedplat.errors import (
    StorageError,
    TransportError,
    UnauthenticatedError,
    UnknownClientError,
)
from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import Incoming
from fedplat.transports.grpc.blob_client import BlobClient
from fedplat.transports.grpc.channel import CHANNEL_OPTIONS
from fedplat.transports.grpc.identity import metadata
from fedplat.wire.transfer import (
    FRAME_BYTES,
    Download,
    Go,
    Queued,
    encode_request,
)


@pytest.fixture
def coordinator(tmp_path):
    with Coordinator(tmp_path / "coordinator") as one:
        yield one


@pytest.fixture
def inbox(tmp_path):
    return Incoming(FileBlobs(tmp_path / "client"), tmp_path / "client" / "incoming")


# ── who may ──────────────────────────────────────────────────────────────────────────────────────


def only_the_first(client, direction, digest):
    if client != "client-000000":
        raise UnknownClientError(client=client, round_id=3)


def test_a_client_that_may_not_moves_no_byte(tmp_path, inbox):
    content, digest = blob(1000)
    with Coordinator(tmp_path / "one", permit=only_the_first) as one:
        with one.client("client-000001") as client:
            with pytest.raises(UnknownClientError, match="client-000001 was not asked in round 3"):
                client.put(digest, content)
            assert not list((tmp_path / "one" / "incoming").iterdir())
            one.blobs.put(content)
            with pytest.raises(UnknownClientError):
                client.get(digest, 1000, inbox)
        assert inbox.offset(digest) == 0
        with one.client("client-000000") as client:
            assert client.get(digest, 1000, inbox) == 1000


def test_a_caller_without_a_name_moves_no_byte(coordinator):
    content, digest = blob(1000)
    with coordinator.client("") as client, pytest.raises(UnauthenticatedError):
        client.put(digest, content)
    assert coordinator.part(digest) == 0


# ── many at once ─────────────────────────────────────────────────────────────────────────────────


def test_of_two_clients_with_the_same_blob_the_second_waits_and_finds_it_stored(coordinator):
    content, digest = blob(4 * FRAME_BYTES)
    places, half = [], 2 * FRAME_BYTES
    with (
        coordinator.line("client-000000") as line,
        coordinator.client("client-000001", queued=places.append) as second,
        ThreadPoolExecutor(1) as pool,
    ):
        replies = line.begin(digest, content, half)
        until(lambda: coordinator.part(digest) == half)
        waiting = pool.submit(second.put, digest, content)
        until(lambda: places[:1] == [1])
        assert not waiting.done()
        replies.cancel()  # the first never ends: the second goes on for it
        assert waiting.result(10) == len(content) - half
    assert coordinator.blobs.get(digest) == content


def test_a_blob_that_all_clients_have_travels_once(coordinator):
    content, digest = blob(4 * FRAME_BYTES)

    def put(number):
        with coordinator.client(f"client-{number:06}") as client:
            return client.put(digest, content)

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(put, range(8))) == [0] * 7 + [len(content)]


def test_a_client_that_comes_back_takes_the_place_of_its_own_dead_line(tmp_path):
    content, digest = blob(4 * FRAME_BYTES)
    with Coordinator(tmp_path, slots=1) as one, one.line() as dead, one.client() as client:
        replies = dead.begin(digest, content, FRAME_BYTES)
        until(lambda: one.part(digest) == FRAME_BYTES)
        assert client.put(digest, content) == 3 * FRAME_BYTES
        assert not replies.is_active() or replies.cancel()


def test_transfers_beyond_the_slots_wait_in_order_and_are_told_their_place(tmp_path):
    held, held_digest = blob(1000, seed=1)
    ends, places = [], {name: [] for name in "abc"}
    with Coordinator(tmp_path, slots=1) as one, one.line("holds") as line:
        replies = line.begin(held_digest, held, 10)
        until(lambda: one.part(held_digest) == 10)

        def put(name):
            content, digest = blob(100, seed=ord(name))
            with one.client(name, queued=places[name].append) as client:
                client.put(digest, content)
            ends.append(name)

        threads = []
        for name in "abc":
            threads.append(threading.Thread(target=put, args=name))
            threads[-1].start()
            until(lambda name=name: places[name])
        assert [places[name][0] for name in "abc"] == [1, 2, 3]
        replies.cancel()
        for thread in threads:
            thread.join(10)
    assert ends == ["a", "b", "c"]
    assert sorted(set(places["c"]), reverse=True) in ([3, 2, 1], [3, 2], [3, 1], [3])


def test_a_client_that_vanishes_while_it_waits_leaves_the_queue_at_once(tmp_path):
    content, digest = blob(1000)
    with Coordinator(tmp_path, slots=1) as one, one.line("holds") as line:
        holding = line.begin(digest, content, 10)
        until(lambda: one.part(digest) == 10)
        other, other_digest = blob(1000, seed=1)
        with one.line("vanishes") as vanishing:
            gone = vanishing.begin(other_digest, other, 10)
            assert first(gone) == Queued(1)
            gone.cancel()
            until(lambda: not one.slots._waiting, 1.5)
        holding.cancel()
        until(lambda: not one.slots._served)


def test_a_transfer_that_moves_nothing_gives_up_its_slot(tmp_path):
    stalled, stalled_digest = blob(1000, seed=1)
    content, digest = blob(1000)
    with (
        Coordinator(tmp_path, slots=1, idle_timeout_s=0.3) as one,
        one.line("stalls") as line,
        one.client() as client,
    ):
        line.begin(stalled_digest, stalled, 10)
        until(lambda: one.part(stalled_digest) == 10)
        assert client.put(digest, content) == 1000
        assert one.part(stalled_digest) == 10
        with one.client("stalls") as again:
            assert again.put(stalled_digest, stalled) == 990


def test_a_reader_that_stops_reading_gives_up_its_slot(tmp_path, inbox):
    content, digest = blob(64 * FRAME_BYTES)
    small, small_digest = blob(10)
    with (
        Coordinator(tmp_path / "one", slots=1, idle_timeout_s=0.3) as one,
        one.line("stalls") as line,
        one.client() as client,
    ):
        one.blobs.put(content)
        one.blobs.put(small)
        replies = line.ask(encode_request(Download(digest, 0)))
        assert first(replies) == Go(len(content))
        assert client.get(small_digest, 10, inbox) == 10


# ── memory ───────────────────────────────────────────────────────────────────────────────────────

SERVER = """
import sys
from pathlib import Path
from threading import Event, Thread
from transports.data_plane import Coordinator

def anonymous_mb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("RssAnon"))

def sample():
    while not over.wait(0.005):
        samples.append(anonymous_mb())

over, samples = Event(), [anonymous_mb()]
with Coordinator(Path(sys.argv[1])) as one:
    Thread(target=sample, daemon=True).start()
    print(one.port, flush=True)
    sys.stdin.readline()
over.set()
print(max(samples) - samples[0])
"""


@pytest.mark.slow
def test_a_blob_of_192_mb_takes_the_memory_of_the_lookahead_at_the_coordinator(tmp_path):
    content = memoryview(bytes(192 << 20))
    digest = hashlib.sha256(content).hexdigest()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    ) as server:  # fmt: skip
        where = f"127.0.0.1:{int(server.stdout.readline())}"
        with grpc.insecure_channel(where, options=CHANNEL_OPTIONS) as channel:
            who = metadata("client-000000", plain=True)
            assert BlobClient(channel, where, metadata=who).put(digest, content) == 192 << 20
        most, _ = server.communicate("end\n")
    assert int(most) <= 72  # 16 MiB are ahead by design; what gRPC keeps of them varies


# ── the disk ─────────────────────────────────────────────────────────────────────────────────────


def test_a_full_disk_is_told_with_what_is_missing_and_the_upload_goes_on_later(tmp_path):
    content, digest = blob(3 * FRAME_BYTES)
    room = [FRAME_BYTES]
    with Coordinator(tmp_path, free=lambda folder: room[0]) as one, one.client() as client:
        with pytest.raises(StorageError, match=rf"{2 * FRAME_BYTES} are missing.*free some disk"):
            client.put(digest, content)
        assert one.incoming.held(digest) is None
        room[0] = 1 << 30
        assert client.put(digest, content) == len(content)
        assert one.blobs.get(digest) == content


# ── what is kept ─────────────────────────────────────────────────────────────────────────────────


def test_an_upload_over_the_quota_is_one_to_try_again_after_and_goes_on_where_it_was(tmp_path):
    content, digest = blob(3 * FRAME_BYTES, 1)
    other, kept = blob(FRAME_BYTES, 2)
    with Coordinator(tmp_path, quota=3 * FRAME_BYTES) as one, one.client() as client:
        with one.line() as line:
            replies = line.begin(digest, content, FRAME_BYTES)
            until(lambda: one.part(digest) == FRAME_BYTES)
            replies.cancel()
            until(lambda: not one.incoming._open)
        one.blobs.put(other)
        with pytest.raises(StorageError, match=f"{FRAME_BYTES} are missing") as refused:
            client.put(digest, content)
        assert refused.value.retryable
        one.blobs.collect(frozenset())
        assert client.put(digest, content) == 2 * FRAME_BYTES
        assert one.incoming.held(kept) is None


def test_a_blob_is_not_collected_while_it_is_downloaded(tmp_path):
    content, digest = blob(64 * FRAME_BYTES)
    with Coordinator(tmp_path) as one, one.line() as line:
        one.blobs.put(content)
        replies = line.ask(encode_request(Download(digest, 0)))
        assert first(replies) == Go(len(content))
        assert one.blobs.collect(frozenset()) == 0
        assert sum(map(len, replies)) == len(content)
        until(lambda: not one.blobs.in_use.held())
        assert one.blobs.collect(frozenset()) == len(content)


def test_a_client_beyond_those_that_may_wait_is_told_its_place_and_comes_again(tmp_path):
    content, digest = blob(2 * FRAME_BYTES, 3)
    other, later = blob(FRAME_BYTES, 4)
    with Coordinator(tmp_path, slots=1, most_waiting=1) as one, one.client() as client:
        with one.line("client-000001") as line, one.line("client-000002") as behind:
            serving = line.begin(digest, content, FRAME_BYTES)
            until(lambda: one.part(digest) == FRAME_BYTES)
            waiting = behind.begin(later, other, 0)
            until(lambda: len(one.slots._waiting) == 1)
            with pytest.raises(TransportError, match="1 transfers wait before this one"):
                client.put(*reversed(blob(9, 5)))
            serving.cancel()
            waiting.cancel()
        until(lambda: not one.slots._waiting)
        assert client.put(*reversed(blob(9, 5))) == 9
