"""The data plane's bytes: a few small frames around a blob's own, which travel as they are.

An upload is one stream either way: the client names the blob, the coordinator answers where to go
on, then come the blob's bytes, in frames of `FRAME_BYTES`, and at the end the word that they are
durable; a blob that the coordinator has is answered with that word at once.  A download names the
blob and where to go on, and is answered by its size and its bytes.  In either, the coordinator may
first say its place in the queue.

    upload    →  "U" digest size     ←  "Q" position …  "G" offset   →  bytes …   ←  "D" size
    download  →  "L" digest offset   ←  "Q" position …  "G" size     ←  bytes …
    over one  →  "K" digest known offset   ←  "Q" position …  "G" size   ←  "R" spans   ←  bytes …
    by steps  →  "S" digest known offset   ←  "Q" position …  "G" size   ←  "P" size   ←  steps …
                                           ←  "R" spans   ←  bytes …

A client that holds another blob, `known`, may ask for what is different from it: the coordinator
says which spans of the new blob travel, then sends their bytes one after another; between them, the
new blob has the bytes that `known` has in the same places.

A client that can take the scenario's steps (`fedplat.runtime.downlink`) may ask for them: they lead
from `known` to the new blob's beginning, and the spans are of what is behind that.  Of steps
without any byte there are none, and the spans are of the whole blob.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from fedplat.errors import CorruptPayloadError
from fedplat.types import Digest

FRAME_BYTES = 1 << 20
MAX_BLOB_BYTES = 1 << 40
DIGEST_BYTES = 32
MAX_SPANS = 1 << 16  # what one frame says; where more differs, everything travels
_REQUEST = struct.Struct("<c32sQ")
_DELTA = struct.Struct("<c32s32sQ")
_SPAN = struct.Struct("<QQ")
_REPLY = struct.Struct("<cQ")


@dataclass(frozen=True, slots=True)
class Upload:
    """A client wants to store the blob `digest` of `size_bytes` bytes."""

    digest: Digest
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Download:
    """A client wants the blob `digest` from `offset` on; what is before, it has."""

    digest: Digest
    offset: int


@dataclass(frozen=True, slots=True)
class DownloadDelta:
    """As `Download`, from a client that holds the blob `known`: what is equal need not travel."""

    digest: Digest
    known: Digest
    offset: int


@dataclass(frozen=True, slots=True)
class DownloadSteps:
    """As `DownloadDelta`, from a client that can take steps from `known` to the blob."""

    digest: Digest
    known: Digest
    offset: int


@dataclass(frozen=True, slots=True)
class Queued:
    """The transfer waits; it is number `position` in the queue, the next one has 1."""

    position: int


@dataclass(frozen=True, slots=True)
class Go:
    """The transfer begins: of an upload at the offset `number`, of a download of `number` bytes."""

    number: int


@dataclass(frozen=True, slots=True)
class Stored:
    """The uploaded blob of `size_bytes` bytes is whole, is what its digest says, and is durable."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class Steps:
    """Steps of `size_bytes` bytes follow."""

    size_bytes: int


Request = Upload | Download | DownloadDelta | DownloadSteps
Span = tuple[int, int]
Reply = Queued | Go | Stored | Steps


_OVER_ONE: dict[bytes, type[DownloadDelta | DownloadSteps]] = {
    b"K": DownloadDelta,
    b"S": DownloadSteps,
}


def encode_request(request: Request) -> bytes:
    """The one frame that opens a transfer.

    Raises: ValueError, if a digest is not one.
    """
    match request:
        case Upload(digest, size_bytes):
            return _REQUEST.pack(b"U", _raw(digest), size_bytes)
        case Download(digest, offset):
            return _REQUEST.pack(b"L", _raw(digest), offset)
        case DownloadDelta(digest, known, offset):
            return _DELTA.pack(b"K", _raw(digest), _raw(known), offset)
        case DownloadSteps(digest, known, offset):
            return _DELTA.pack(b"S", _raw(digest), _raw(known), offset)


def _raw(digest: Digest) -> bytes:
    raw = bytes.fromhex(digest)
    if len(raw) != DIGEST_BYTES:
        raise ValueError(f"a digest has {DIGEST_BYTES} bytes, got {len(raw)}")
    return raw


def decode_request(frame: bytes) -> Request:
    """Raises: CorruptPayloadError, and nothing else, whatever the bytes are."""
    if len(frame) == _DELTA.size and frame[:1] in _OVER_ONE:
        kind, digest, known, number = _DELTA.unpack(frame)
        return _OVER_ONE[kind](Digest(digest.hex()), Digest(known.hex()), _bounded(number))
    if len(frame) != _REQUEST.size:
        reason = f"a transfer opens with {_REQUEST.size} or {_DELTA.size} bytes, got {len(frame)}"
        raise CorruptPayloadError(reason=reason)
    kind, digest, number = _REQUEST.unpack(frame)
    if kind == b"U":
        return Upload(Digest(digest.hex()), _bounded(number))
    if kind == b"L":
        return Download(Digest(digest.hex()), _bounded(number))
    raise CorruptPayloadError(reason=f"a transfer of the unknown kind {kind!r}")


def _bounded(number: int) -> int:
    if number > MAX_BLOB_BYTES:
        raise CorruptPayloadError(reason=f"a blob of {number} bytes; the limit is {MAX_BLOB_BYTES}")
    return number


def encode_spans(spans: Sequence[Span]) -> bytes:
    """What travels of a blob, as one frame.  Raises: ValueError, if there are too many."""
    if len(spans) > MAX_SPANS:
        raise ValueError(f"a frame holds {MAX_SPANS} spans, got {len(spans)}")
    return b"R" + b"".join(_SPAN.pack(start, stop) for start, stop in spans)


def decode_spans(frame: bytes, offset: int, size_bytes: int) -> tuple[Span, ...]:
    """The spans, ascending and apart, within `offset` and `size_bytes`.

    Raises: CorruptPayloadError, and nothing else, whatever the bytes are.
    """
    if frame[:1] != b"R" or (len(frame) - 1) % _SPAN.size or len(frame) > 1 + MAX_SPANS * 16:
        raise CorruptPayloadError(reason=f"{len(frame)} bytes that are not spans")
    spans = tuple(_SPAN.iter_unpack(memoryview(frame)[1:]))
    last = offset - 1
    for start, stop in spans:
        if not last < start < stop <= size_bytes:
            reason = f"the span {start} to {stop} of {size_bytes} bytes, after {max(last, 0)}"
            raise CorruptPayloadError(reason=reason)
        last = stop
    return spans


def encode_reply(reply: Reply) -> bytes:
    """What the coordinator says before a blob's bytes, or after them."""
    match reply:
        case Queued(position):
            return _REPLY.pack(b"Q", position)
        case Go(number):
            return _REPLY.pack(b"G", number)
        case Stored(size_bytes):
            return _REPLY.pack(b"D", size_bytes)
        case Steps(size_bytes):
            return _REPLY.pack(b"P", size_bytes)


def decode_reply(frame: bytes) -> Reply:
    """Raises: CorruptPayloadError, and nothing else, whatever the bytes are."""
    if len(frame) != _REPLY.size:
        raise CorruptPayloadError(reason=f"a reply takes {_REPLY.size} bytes, got {len(frame)}")
    kind, number = _REPLY.unpack(frame)
    for mark, reply in ((b"Q", Queued), (b"G", Go), (b"D", Stored), (b"P", Steps)):
        if kind == mark:
            return reply(number)
    raise CorruptPayloadError(reason=f"a reply of the unknown kind {kind!r}")
