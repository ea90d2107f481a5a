import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedplat.errors import CorruptPayloadError
from fedplat.types import Digest
from fedplat.wire.transfer import (
    MAX_BLOB_BYTES,
    MAX_SPANS,
    Download,
    DownloadDelta,
    DownloadSteps,
    Go,
    Queued,
    Steps,
    Stored,
    Upload,
    decode_reply,
    decode_request,
    decode_spans,
    encode_reply,
    encode_request,
    encode_spans,
)

DIGESTS = st.binary(min_size=32, max_size=32).map(lambda content: Digest(content.hex()))
SIZES = st.integers(0, MAX_BLOB_BYTES)
REQUESTS = (
    st.builds(Upload, DIGESTS, SIZES)
    | st.builds(Download, DIGESTS, SIZES)
    | st.builds(DownloadDelta, DIGESTS, DIGESTS, SIZES)
    | st.builds(DownloadSteps, DIGESTS, DIGESTS, SIZES)
)
NUMBERS = st.integers(0, 2**64 - 1)
REPLIES = st.one_of([st.builds(kind, NUMBERS) for kind in (Queued, Go, Stored, Steps)])
ONE = encode_request(Upload(Digest("ab" * 32), 1))


@given(REQUESTS)
def test_a_request_comes_back_as_it_was(request):
    assert decode_request(encode_request(request)) == request


@given(REPLIES)
def test_a_reply_comes_back_as_it_was(reply):
    assert decode_reply(encode_reply(reply)) == reply


OVER_ONE = st.binary(min_size=72, max_size=72)
OPENINGS = st.binary(max_size=100) | st.binary(min_size=41, max_size=41)


@given(OPENINGS | st.builds(bytes.__add__, st.sampled_from([b"K", b"S"]), OVER_ONE))
def test_any_bytes_are_a_request_that_encodes_to_them_or_one_error(frame):
    try:
        request = decode_request(frame)
    except CorruptPayloadError:
        return
    assert encode_request(request) == frame


@given(st.binary(max_size=20) | st.binary(min_size=9, max_size=9))
def test_any_bytes_are_a_reply_that_encodes_to_them_or_one_error(frame):
    try:
        reply = decode_reply(frame)
    except CorruptPayloadError:
        return
    assert encode_reply(reply) == frame


@pytest.mark.parametrize("frame", [ONE[:-1], ONE + b"\0", b""])
def test_a_truncated_or_longer_frame_is_refused(frame):
    with pytest.raises(CorruptPayloadError, match="opens with 41 or 73 bytes"):
        decode_request(frame)


def test_a_size_that_no_blob_has_is_refused():
    frame = encode_request(Upload(Digest("ab" * 32), MAX_BLOB_BYTES + 1))
    with pytest.raises(CorruptPayloadError, match="the limit is"):
        decode_request(frame)
    assert decode_request(encode_request(Upload(Digest("ab" * 32), MAX_BLOB_BYTES)))


def test_kinds_that_nobody_knows_are_refused():
    with pytest.raises(CorruptPayloadError, match="unknown kind b'X'"):
        decode_request(b"X" + ONE[1:])
    with pytest.raises(CorruptPayloadError, match="unknown kind b'X'"):
        decode_reply(b"X" + bytes(8))


@pytest.mark.parametrize("digest", ["", "ab", "ab" * 33])
def test_a_digest_of_another_length_is_a_mistake_not_a_padded_one(digest):
    with pytest.raises(ValueError, match="a digest has 32 bytes"):
        encode_request(Download(Digest(digest), 0))


# ── spans ────────────────────────────────────────────────────────────────────────────────────────


@given(st.sets(st.integers(10, 10_000)))
def test_spans_come_back_as_they_were(places):
    places = sorted(places)
    spans = tuple(zip(places[::2], places[1::2], strict=False))
    assert decode_spans(encode_spans(spans), 10, 10_000) == spans


@given(st.binary(max_size=200).map(lambda rest: b"R" + rest) | st.binary(max_size=50))
def test_any_bytes_are_spans_in_order_or_one_error(frame):
    try:
        spans = decode_spans(frame, 5, 1 << 40)
    except CorruptPayloadError:
        return
    assert encode_spans(spans) == frame


@pytest.mark.parametrize(
    "spans",
    [
        [(4, 6)],  # before the offset
        [(90, 101)],  # behind the end
        [(10, 10)],  # nothing
        [(20, 10)],  # backwards
        [(10, 20), (15, 30)],  # twice
        [(10, 20), (20, 30)],  # two that are one
        [(50, 60), (10, 20)],  # out of order
        [(10, 2**64 - 1)],
    ],
)
def test_spans_that_no_coordinator_says_are_refused(spans):
    with pytest.raises(CorruptPayloadError, match="the span"):
        decode_spans(encode_spans(spans), 5, 100)


def test_more_spans_than_a_frame_holds_are_neither_said_nor_heard():
    many = [(2 * index, 2 * index + 1) for index in range(MAX_SPANS + 1)]
    with pytest.raises(ValueError, match=f"holds {MAX_SPANS} spans"):
        encode_spans(many)
    told = encode_spans(many[:-1])
    assert len(decode_spans(told, 0, 1 << 40)) == MAX_SPANS
    with pytest.raises(CorruptPayloadError, match="not spans"):
        decode_spans(told + bytes(16), 0, 1 << 40)
