"""A client that holds an earlier broadcast is sent what is different, and ends with every byte."""

import pytest
from transports.data_plane import Coordinator, CutLine, blob

from fedplat.errors import CorruptPayloadError, TransportError
from fedplat.runtime.changes import Changes
from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import Incoming
from fedplat.transports.grpc import blob_server
from fedplat.transports.grpc.blob_client import Held
from fedplat.wire.transfer import FRAME_BYTES

BACKBONE, HEAD = 6 * FRAME_BYTES + 11, 2 * FRAME_BYTES + 3
SIZE = BACKBONE + HEAD


class Federation:
    """A coordinator with two broadcasts, of which the second has another head."""

    def __init__(self, folder, between=None):
        self.sent = 0
        self.changes = Changes([BACKBONE, HEAD])
        self.folder, self.between = folder, between
        first, self.first = blob(SIZE, 1)
        head, _ = blob(HEAD, 2)
        self.old, self.new = bytes(first), bytes(first[:BACKBONE]) + bytes(head)
        self.coordinator = self.start()
        self.coordinator.blobs.put(self.old)
        self.second = self.coordinator.blobs.put(self.new)
        self.changes.begin(self.first)
        self.changes.follow(self.second, self.new, self.first, self.old)

    def start(self):
        between = self.between or self.changes.between
        return Coordinator(self.folder, between=between, sent=self._count)

    def _count(self, size_bytes):
        self.sent += size_bytes

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.coordinator.__exit__()


@pytest.fixture
def federation(tmp_path):
    with Federation(tmp_path / "coordinator") as one:
        yield one


@pytest.fixture
def inbox(tmp_path):
    return inbox_of(tmp_path)


def inbox_of(folder):
    """The client's inbox; made again: a restart."""
    return Incoming(FileBlobs(folder / "client"), folder / "client" / "incoming")


def held(federation):
    return Held(federation.first, memoryview(federation.old))


def content(tmp_path, digest):
    return bytes(FileBlobs(tmp_path / "client").get(digest))


def test_a_frozen_backbone_does_not_travel(federation, inbox, tmp_path):
    with federation.coordinator.client() as client:
        assert client.get(federation.second, SIZE, inbox, held(federation)) == HEAD
    assert federation.sent == HEAD
    assert content(tmp_path, federation.second) == federation.new


def test_to_a_client_that_says_nothing_of_what_it_holds_all_of_it_travels(federation, inbox):
    with federation.coordinator.client() as client:
        assert client.get(federation.second, SIZE, inbox) == SIZE
    assert federation.sent == SIZE


@pytest.mark.parametrize("size", [0, 10, SIZE, SIZE + 10])
def test_to_a_client_that_holds_another_blob_all_of_it_travels(federation, inbox, tmp_path, size):
    other, digest = blob(size, 5)
    with federation.coordinator.client() as client:
        assert client.get(federation.second, SIZE, inbox, Held(digest, other)) == SIZE
    assert content(tmp_path, federation.second) == federation.new


def test_a_blob_that_is_equal_in_all_its_bytes_needs_none(federation, inbox, tmp_path):
    same = Held(federation.second, memoryview(federation.new))
    with federation.coordinator.client() as client:
        assert client.get(federation.second, SIZE, inbox, same) == 0
    assert federation.sent == 0
    assert content(tmp_path, federation.second) == federation.new


@pytest.mark.parametrize("kept", [1, BACKBONE - 1, BACKBONE, BACKBONE + 1, SIZE - 1, SIZE])
def test_a_restarted_client_goes_on_at_the_byte_where_it_was(federation, tmp_path, kept):
    part = tmp_path / "client" / "incoming" / f"{federation.second}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(federation.new[:kept])
    with federation.coordinator.client() as client:
        came = client.get(federation.second, SIZE, inbox_of(tmp_path), held(federation))
    assert came == federation.sent == min(HEAD, SIZE - kept)
    assert content(tmp_path, federation.second) == federation.new


def test_over_a_line_that_breaks_no_byte_is_lost_or_fetched_twice(federation, inbox, tmp_path):
    with (
        CutLine(federation.coordinator.port, down=FRAME_BYTES + 99_999) as line,
        federation.coordinator.client(port=line.port) as client,
        pytest.raises(TransportError),
    ):
        client.get(federation.second, SIZE, inbox, held(federation))
    kept = inbox.offset(federation.second)
    assert kept > BACKBONE
    with federation.coordinator.client() as client:
        came = client.get(federation.second, SIZE, inbox, held(federation))
    assert came == SIZE - kept
    assert content(tmp_path, federation.second) == federation.new


def test_after_the_coordinator_was_restarted_everything_travels(federation, inbox, tmp_path):
    federation.coordinator.__exit__()
    federation.changes = Changes([BACKBONE, HEAD])
    federation.coordinator = federation.start()
    with federation.coordinator.client() as client:
        assert client.get(federation.second, SIZE, inbox, held(federation)) == SIZE
    assert content(tmp_path, federation.second) == federation.new


# ── what is not as it was said ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "lie",
    [
        [],  # nothing is new
        [(BACKBONE, SIZE - 1)],
        [(BACKBONE + 1, SIZE)],
        [(0, SIZE + 1)],
        [(SIZE, BACKBONE)],
        [(0, 10), (5, SIZE)],
    ],
)
def test_spans_that_lie_cost_a_full_download_and_never_a_wrong_byte(tmp_path, inbox, lie):
    with (
        Federation(tmp_path / "one", between=lambda *_: lie) as lying,
        lying.coordinator.client() as client,
    ):
        assert client.get(lying.second, SIZE, inbox, held(lying)) > 0
    assert content(tmp_path, lying.second) == lying.new


def test_a_held_blob_that_was_damaged_costs_a_full_download(federation, inbox, tmp_path):
    damaged = Held(federation.first, memoryview(bytes(SIZE)))
    with federation.coordinator.client() as client:
        assert client.get(federation.second, SIZE, inbox, damaged) == SIZE
    assert content(tmp_path, federation.second) == federation.new


def test_a_held_blob_that_was_cut_off_costs_no_wrong_byte(federation, inbox, tmp_path):
    short = Held(federation.first, memoryview(federation.old)[: BACKBONE // 2])
    with federation.coordinator.client() as client:
        client.get(federation.second, SIZE, inbox, short)
    assert content(tmp_path, federation.second) == federation.new


def test_more_spans_than_a_frame_holds_are_everything(tmp_path, inbox):
    many = [(2 * index, 2 * index + 1) for index in range((1 << 16) + 1)]
    with (
        Federation(tmp_path / "one", between=lambda *_: many) as one,
        one.coordinator.client() as client,
    ):
        assert client.get(one.second, SIZE, inbox, held(one)) == SIZE


def test_a_coordinator_of_the_version_before_is_asked_again_in_its_own_words(
    federation, inbox, tmp_path, monkeypatch
):
    def as_before(frame):
        if len(frame) != 41:
            raise CorruptPayloadError(reason=f"a transfer opens with 41 bytes, got {len(frame)}")
        return decode(frame)

    decode = blob_server.decode_request
    monkeypatch.setattr(blob_server, "decode_request", as_before)
    with federation.coordinator.client() as client:
        assert client.get(federation.second, SIZE, inbox, held(federation)) == SIZE
    assert content(tmp_path, federation.second) == federation.new
