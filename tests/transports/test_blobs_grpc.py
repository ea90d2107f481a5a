import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transports.data_plane import Coordinator, CutLine, blob, first, until

from fedplat.errors import (
    CorruptPayloadError,
    MissingBlobError,
    ProtocolError,
    TransportError,
)
from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import Incoming
from fedplat.transports.grpc import status
from fedplat.wire.transfer import (
    FRAME_BYTES,
    Download,
    Stored,
    Upload,
    encode_request,
)

SIZES = [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 5 * FRAME_BYTES + 7]
CUT = 10 * FRAME_BYTES + 123


@pytest.fixture
def coordinator(tmp_path):
    with Coordinator(tmp_path / "coordinator") as one:
        yield one


@pytest.fixture
def inbox(tmp_path):
    return Incoming(FileBlobs(tmp_path / "client"), tmp_path / "client" / "incoming")


def refused(call):
    """The error that a call ends with, as a client understands it."""
    with pytest.raises(grpc.RpcError) as found:
        list(call)
    return status.error_of(found.value, "there")


# ── the calm way ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", SIZES)
def test_a_blob_of_any_size_goes_up_and_comes_down_unchanged(coordinator, inbox, tmp_path, size):
    content, digest = blob(size)
    with coordinator.client() as client:
        assert client.put(digest, content) == size
        assert client.get(digest, size, inbox) == size
    assert coordinator.blobs.get(digest) == content
    assert FileBlobs(tmp_path / "client").get(digest) == content


def test_a_blob_that_is_there_is_not_moved_again_in_either_direction(coordinator, inbox):
    content, digest = blob(3 * FRAME_BYTES)
    with coordinator.client() as client, coordinator.client("client-000001") as other:
        assert client.put(digest, content) == len(content)
        assert client.put(digest, content) == other.put(digest, content) == 0
        assert client.get(digest, len(content), inbox) == len(content)
        assert client.get(digest, len(content), inbox) == 0


def test_a_blob_whose_file_was_damaged_is_taken_again(coordinator):
    content, digest = blob(1000)
    with coordinator.client() as client:
        client.put(digest, content)
        coordinator.blobs.path(digest).write_bytes(b"damaged")
        assert client.put(digest, content) == 1000
    assert coordinator.blobs.get(digest) == content


# ── cut lines ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kept", [1, FRAME_BYTES, CUT * 9 // 10, CUT - 1])
def test_an_upload_that_its_client_stops_goes_on_at_the_next_byte(coordinator, kept):
    content, digest = blob(CUT)
    with coordinator.line() as line, coordinator.client() as client:
        replies = line.begin(digest, content, kept)
        until(lambda: coordinator.part(digest) == kept)
        replies.cancel()
        assert client.put(digest, content) == CUT - kept
    assert coordinator.blobs.get(digest) == content


def test_an_upload_goes_on_at_the_byte_where_a_restarted_coordinator_was_stopped(tmp_path):
    content, digest = blob(CUT)
    kept = CUT * 9 // 10
    with Coordinator(tmp_path) as one, one.line() as line:
        line.begin(digest, content, kept)
        until(lambda: one.part(digest) == kept)
    with Coordinator(tmp_path) as again, again.client() as client:
        assert client.put(digest, content) == CUT - kept
        assert again.blobs.get(digest) == content


def test_an_upload_over_a_line_that_breaks_sends_only_what_is_not_kept(coordinator):
    content, digest = blob(CUT)
    passed = CUT * 9 // 10
    with (
        CutLine(coordinator.port, up=passed) as line,
        coordinator.client(port=line.port) as client,
        pytest.raises(TransportError),
    ):
        client.put(digest, content)
    until(lambda: not coordinator.incoming._open)
    kept = coordinator.part(digest)
    assert FRAME_BYTES <= kept <= passed
    with coordinator.client() as client:
        assert client.put(digest, content) == CUT - kept
    assert coordinator.blobs.get(digest) == content


def test_a_download_over_a_line_that_breaks_fetches_only_what_is_not_kept(coordinator, inbox):
    content, digest = blob(CUT)
    coordinator.blobs.put(content)
    passed = CUT * 9 // 10
    with (
        CutLine(coordinator.port, down=passed) as line,
        coordinator.client(port=line.port) as client,
        pytest.raises(TransportError),
    ):
        client.get(digest, CUT, inbox)
    kept = inbox.offset(digest)
    assert FRAME_BYTES <= kept <= passed
    with coordinator.client() as client:
        assert client.get(digest, CUT, inbox) == CUT - kept
    assert inbox.held(digest) == CUT


def test_a_blob_that_came_whole_but_was_not_settled_needs_no_byte_more(tmp_path, inbox):
    content, digest = blob(2 * FRAME_BYTES)
    with Coordinator(tmp_path / "one") as one, one.client() as client:
        (tmp_path / "one" / "incoming" / f"{digest}.part").write_bytes(content)
        assert client.put(digest, content) == 0
        assert one.blobs.get(digest) == content
        (tmp_path / "client" / "incoming" / f"{digest}.part").write_bytes(content)
        assert client.get(digest, len(content), inbox) == 0
    assert inbox.held(digest) == len(content)


@pytest.mark.parametrize("size", [100, FRAME_BYTES, 4 * FRAME_BYTES])
def test_a_damaged_beginning_is_dropped_and_the_blob_moved_from_its_first_byte(
    tmp_path, inbox, size
):
    content, digest = blob(3 * FRAME_BYTES)
    damaged = bytes(size)
    with Coordinator(tmp_path / "one") as one, one.client() as client:
        (tmp_path / "one" / "incoming" / f"{digest}.part").write_bytes(damaged)
        assert client.put(digest, content) >= len(content)
        assert one.blobs.get(digest) == content
        (tmp_path / "client" / "incoming" / f"{digest}.part").write_bytes(damaged)
        assert client.get(digest, len(content), inbox) == len(content)
    assert inbox.held(digest) == len(content)


# ── what is not as it was announced ──────────────────────────────────────────────────────────────


def test_other_bytes_than_the_digests_are_dropped_and_the_right_ones_taken_after(coordinator):
    content, digest = blob(2 * FRAME_BYTES)
    with coordinator.client() as client:
        with pytest.raises(CorruptPayloadError, match="send them anew"):
            client.put(digest, memoryview(bytes(len(content))))
        assert coordinator.part(digest) == 0
        assert coordinator.incoming.held(digest) is None
        assert client.put(digest, content) == len(content)


def test_more_bytes_than_announced_are_refused_and_the_announced_ones_kept(coordinator):
    content, digest = blob(1000)
    opening = encode_request(Upload(digest, 1000))
    with coordinator.line() as line, coordinator.client() as client:
        error = refused(line.send(opening, bytes(content), b"more"))
        assert type(error) is ProtocolError
        assert "has 1000 bytes, more of them have come" in str(error)
        assert coordinator.part(digest) == 1000
        assert client.put(digest, content) == 0
    assert coordinator.blobs.get(digest) == content


def test_fewer_bytes_than_announced_are_refused_and_kept(coordinator):
    content, digest = blob(1000)
    opening = encode_request(Upload(digest, 1000))
    with coordinator.line() as line, coordinator.client() as client:
        error = refused(line.send(opening, bytes(content[:600])))
        assert type(error) is ProtocolError
        assert "ended after 600 of 1000 bytes" in str(error)
        assert client.put(digest, content) == 400


def test_an_empty_frame_is_refused_since_it_could_hold_a_slot_for_ever(coordinator):
    _, digest = blob(1000)
    with coordinator.line() as line:
        error = refused(line.send(encode_request(Upload(digest, 1000)), b""))
    assert "an empty frame" in str(error)


def test_a_frame_larger_than_any_is_refused_before_it_is_read(coordinator):
    content, digest = blob(5 << 20)
    with coordinator.line() as line:
        opening = encode_request(Upload(digest, len(content)))
        with pytest.raises(grpc.RpcError) as found:
            list(line.send(opening, bytes(content)))
    assert found.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert coordinator.part(digest) == 0


@pytest.fixture(scope="module")
def open_line(tmp_path_factory):
    with Coordinator(tmp_path_factory.mktemp("fuzzed")) as one, one.line() as line:
        yield one, line


@given(st.binary(max_size=80) | st.binary(min_size=41, max_size=41))
def test_an_opening_frame_of_any_bytes_is_refused_with_one_error_class(open_line, frame):
    coordinator, line = open_line
    assert type(refused(line.send(frame))) is CorruptPayloadError
    assert type(refused(line.ask(frame))) is CorruptPayloadError
    assert not list((coordinator.folder / "incoming").iterdir())


def test_a_stream_that_ends_before_it_began_is_refused(coordinator):
    with coordinator.line() as line:
        assert type(refused(line.send())) is CorruptPayloadError


def test_an_upload_where_downloads_are_served_and_the_reverse_are_refused(coordinator):
    _, digest = blob(10)
    with coordinator.line() as line:
        assert "an upload" in str(refused(line.ask(encode_request(Upload(digest, 10)))))
        assert "a download" in str(refused(line.send(encode_request(Download(digest, 0)))))


def test_a_blob_over_the_limit_is_refused_before_a_byte_is_taken(tmp_path):
    content, digest = blob(1001)
    with Coordinator(tmp_path, upload_limit_bytes=1000) as one, one.client() as client:
        with pytest.raises(ProtocolError, match="has 1001 bytes, at most 1000 are taken here"):
            client.put(digest, content)
        assert not list((tmp_path / "incoming").iterdir())
        content, digest = blob(1000)
        assert client.put(digest, content) == 1000


def test_a_download_larger_than_what_is_due_is_refused_before_a_byte_is_taken(coordinator, inbox):
    content, digest = blob(1001)
    coordinator.blobs.put(content)
    with coordinator.client() as client:
        with pytest.raises(CorruptPayloadError, match="has 1001 bytes, at most 1000 are due"):
            client.get(digest, 1000, inbox)
        assert inbox.offset(digest) == 0
        assert client.get(digest, 1001, inbox) == 1001


def test_a_blob_that_is_nowhere_is_missing(coordinator, inbox):
    _, digest = blob(10)
    with coordinator.client() as client, pytest.raises(MissingBlobError, match=digest):
        client.get(digest, 10, inbox)


# ── errors ───────────────────────────────────────────────────────────────────────────────────────


def test_where_nobody_listens_the_error_is_one_to_try_again_after(coordinator):
    content, digest = blob(10)
    coordinator.server.stop(None).wait()
    with coordinator.client() as client, pytest.raises(TransportError, match=r"127\.0\.0\.1:"):
        client.put(digest, content)


def test_the_word_that_a_blob_is_stored_names_its_true_size(coordinator):
    content, digest = blob(1000)
    coordinator.blobs.put(content)
    with coordinator.line() as line:
        assert first(line.send(encode_request(Upload(digest, 7)))) == Stored(1000)
