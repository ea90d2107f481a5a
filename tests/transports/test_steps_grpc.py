"""A client that can take steps is sent those, and ends with the blob's bytes, whatever they are."""

import numpy as np
import pytest
from transports.data_plane import Coordinator, CutLine, blob

from fedplat.errors import CorruptPayloadError, TransportError
from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import Incoming
from fedplat.transports.grpc import blob_client, blob_server
from fedplat.transports.grpc.blob_client import Held
from fedplat.wire.transfer import FRAME_BYTES

MOVED, BEHIND = 2 * FRAME_BYTES + 12, 1000
SIZE = MOVED + BEHIND
STEPS = bytes([3, 5]) * 700_000  # more than one frame


def walk(known, steps):
    """Adds the sum of the steps to the beginning."""
    if not set(steps) <= {3, 5}:
        raise CorruptPayloadError(reason="no such step")
    total = np.frombuffer(steps, np.uint8).sum(dtype=np.uint8)
    return memoryview(np.frombuffer(known[:MOVED], np.uint8) + total)


class Federation:
    """A coordinator with two broadcasts: steps lead to the second's beginning, its end is new."""

    def __init__(self, folder, steps=STEPS, spans=((MOVED, SIZE),)):
        self.sent, self.steps, self.spans = 0, memoryview(steps), list(spans)
        first, self.first = blob(SIZE, 1)
        behind, _ = blob(BEHIND, 2)
        self.old, self.new = bytes(first), bytes(walk(first, STEPS)) + bytes(behind)
        self.coordinator = Coordinator(folder, travelling=self.travelling, sent=self._count)
        self.second = self.coordinator.blobs.put(self.new)

    def travelling(self, known, digest, offset, size_bytes):
        if known != self.first or offset >= MOVED:
            return memoryview(b""), [(offset, size_bytes)]
        return self.steps, self.spans

    def _count(self, size_bytes):
        self.sent += size_bytes

    def held(self, walk=walk):
        return Held(self.first, memoryview(self.old), walk)

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
    return Incoming(FileBlobs(folder / "client"), folder / "client" / "incoming")


def content(tmp_path, digest):
    return bytes(FileBlobs(tmp_path / "client").get(digest))


def test_only_the_steps_and_what_is_behind_them_travel(federation, inbox, tmp_path):
    with federation.coordinator.client() as client:
        came = client.get(federation.second, SIZE, inbox, federation.held())
    assert came == federation.sent == len(STEPS) + BEHIND
    assert content(tmp_path, federation.second) == federation.new


def test_who_can_take_no_steps_is_sent_none(federation, inbox, tmp_path):
    with federation.coordinator.client() as client:
        assert client.get(federation.second, SIZE, inbox, federation.held(None)) == SIZE
    assert content(tmp_path, federation.second) == federation.new


def test_whoever_holds_a_blob_that_is_too_old_is_sent_everything(federation, inbox, tmp_path):
    other, digest = blob(SIZE, 9)
    with federation.coordinator.client() as client:
        came = client.get(federation.second, SIZE, inbox, Held(digest, other, walk))
    assert came == federation.sent == SIZE
    assert content(tmp_path, federation.second) == federation.new


@pytest.mark.parametrize("kept", [1, MOVED - 1, MOVED, MOVED + 1, SIZE - 1, SIZE])
def test_a_restarted_client_goes_on_where_it_was(federation, tmp_path, kept):
    part = tmp_path / "client" / "incoming" / f"{federation.second}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(federation.new[:kept])
    with federation.coordinator.client() as client:
        came = client.get(federation.second, SIZE, inbox_of(tmp_path), federation.held())
    assert came == (len(STEPS) + BEHIND if kept < MOVED else SIZE - kept)
    assert content(tmp_path, federation.second) == federation.new


def test_what_was_here_and_was_wrong_costs_bytes_and_leaves_none(federation, tmp_path):
    part = tmp_path / "client" / "incoming" / f"{federation.second}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(MOVED // 2))
    with federation.coordinator.client() as client:
        client.get(federation.second, SIZE, inbox_of(tmp_path), federation.held())
    assert content(tmp_path, federation.second) == federation.new


def test_steps_are_sent_anew_over_a_line_that_broke_among_them(federation, inbox, tmp_path):
    with (
        CutLine(federation.coordinator.port, down=FRAME_BYTES + 9_999) as line,
        federation.coordinator.client(port=line.port) as client,
        pytest.raises(TransportError),
    ):
        client.get(federation.second, SIZE, inbox, federation.held())
    assert inbox.offset(federation.second) == 0
    with federation.coordinator.client() as client:
        came = client.get(federation.second, SIZE, inbox, federation.held())
    assert came == len(STEPS) + BEHIND
    assert content(tmp_path, federation.second) == federation.new


WRONG = {
    "fewer": STEPS[:-1],
    "more": STEPS + b"\3",
    "elsewhere": b"\5",
    "none of the codec's": b"\7",
    "more than the model": bytes(SIZE + 1),
}


@pytest.mark.parametrize("steps", WRONG.values(), ids=WRONG)
def test_wrong_steps_cost_a_whole_download_and_never_a_wrong_byte(tmp_path, inbox, steps):
    with (
        Federation(tmp_path / "one", steps=steps) as lying,
        lying.coordinator.client() as client,
    ):
        assert client.get(lying.second, SIZE, inbox, lying.held()) == SIZE
        assert content(tmp_path, lying.second) == lying.new


@pytest.mark.parametrize("spans", [(), ((0, SIZE),), ((MOVED + 1, SIZE),), ((MOVED, SIZE + 1),)])
def test_wrong_spans_behind_steps_cost_a_download_and_never_a_wrong_byte(tmp_path, inbox, spans):
    with (
        Federation(tmp_path / "one", spans=spans) as lying,
        lying.coordinator.client() as client,
    ):
        came = client.get(lying.second, SIZE, inbox, lying.held())
        assert came in (SIZE, BEHIND)  # where the steps led stays, if it was not in question
        assert content(tmp_path, lying.second) == lying.new


@pytest.mark.parametrize("said", [0, 1, len(STEPS) - 1, len(STEPS) + 1, SIZE + 1, 1 << 63])
def test_another_number_of_steps_than_was_said_never_gives_a_wrong_byte(
    federation, inbox, tmp_path, monkeypatch, said
):
    monkeypatch.setattr(blob_server, "Steps", lambda size: blob_client.Steps(said))
    with federation.coordinator.client() as client:
        client.get(federation.second, SIZE, inbox, federation.held())
    assert content(tmp_path, federation.second) == federation.new


def test_a_coordinator_of_the_version_before_is_asked_again_in_its_own_words(
    federation, inbox, tmp_path, monkeypatch
):
    def as_before(frame):
        if frame[:1] == b"S":
            raise CorruptPayloadError(reason="a transfer opens with 41 or 73 bytes")
        return decode(frame)

    decode = blob_server.decode_request
    monkeypatch.setattr(blob_server, "decode_request", as_before)
    with federation.coordinator.client() as client:
        assert client.get(federation.second, SIZE, inbox, federation.held()) == SIZE
    assert content(tmp_path, federation.second) == federation.new
