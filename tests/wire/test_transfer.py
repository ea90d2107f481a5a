import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedplat.errors import CorruptPayloadError
from fedplat.types import Digest
from fedplat.wire.transfer import (
    MAX_BLOB_BYTES,
    Download,
    Go,
    Queued,
    Stored,
    Upload,
    decode_reply,
    decode_request,
    encode_reply,
    encode_request,
)

DIGESTS = st.binary(min_size=32, max_size=32).map(lambda content: Digest(content.hex()))
SIZES = st.integers(0, MAX_BLOB_BYTES)
REQUESTS = st.builds(Upload, DIGESTS, SIZES) | st.builds(Download, DIGESTS, SIZES)
NUMBERS = st.integers(0, 2**64 - 1)
REPLIES = st.builds(Queued, NUMBERS) | st.builds(Go, NUMBERS) | st.builds(Stored, NUMBERS)
ONE = encode_request(Upload(Digest("ab" * 32), 1))


@given(REQUESTS)
def test_a_request_comes_back_as_it_was(request):
    assert decode_request(encode_request(request)) == request


@given(REPLIES)
def test_a_reply_comes_back_as_it_was(reply):
    assert decode_reply(encode_reply(reply)) == reply


@given(st.binary(max_size=100) | st.binary(min_size=41, max_size=41))
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
    with pytest.raises(CorruptPayloadError, match="opens with 41 bytes"):
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
