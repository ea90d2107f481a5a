"""The data plane's bytes: a few small frames around a blob's own, which travel as they are.

An upload is one stream either way: the client names the blob, the coordinator answers where to go
on, then come the blob's bytes, in frames of `FRAME_BYTES`, and at the end the word that they are
durable; a blob that the coordinator has is answered with that word at once.  A download names the
blob and where to go on, and is answered by its size and its bytes.  In either, the coordinator may
first say its place in the queue.

    upload    →  "U" digest size     ←  "Q" position …  "G" offset   →  bytes …   ←  "D" size
    download  →  "L" digest offset   ←  "Q" position …  "G" size     ←  bytes …
"""

import struct
from dataclasses import dataclass

from fedplat.errors import CorruptPayloadError
from fedplat.types import Digest

FRAME_BYTES = 1 << 20
MAX_BLOB_BYTES = 1 << 40
DIGEST_BYTES = 32
_REQUEST = struct.Struct("<c32sQ")
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


Request = Upload | Download
Reply = Queued | Go | Stored


def encode_request(request: Request) -> bytes:
    """The one frame that opens a transfer.

    Raises: ValueError, if the digest is not one.
    """
    digest = bytes.fromhex(request.digest)
    if len(digest) != DIGEST_BYTES:
        raise ValueError(f"a digest has {DIGEST_BYTES} bytes, got {len(digest)}")
    if isinstance(request, Upload):
        return _REQUEST.pack(b"U", digest, request.size_bytes)
    return _REQUEST.pack(b"L", digest, request.offset)


def decode_request(frame: bytes) -> Request:
    """Raises: CorruptPayloadError, and nothing else, whatever the bytes are."""
    if len(frame) != _REQUEST.size:
        reason = f"a transfer opens with {_REQUEST.size} bytes, got {len(frame)}"
        raise CorruptPayloadError(reason=reason)
    kind, digest, number = _REQUEST.unpack(frame)
    if number > MAX_BLOB_BYTES:
        raise CorruptPayloadError(reason=f"a blob of {number} bytes; the limit is {MAX_BLOB_BYTES}")
    if kind == b"U":
        return Upload(Digest(digest.hex()), number)
    if kind == b"L":
        return Download(Digest(digest.hex()), number)
    raise CorruptPayloadError(reason=f"a transfer of the unknown kind {kind!r}")


def encode_reply(reply: Reply) -> bytes:
    """What the coordinator says before a blob's bytes, or after them."""
    match reply:
        case Queued(position):
            return _REPLY.pack(b"Q", position)
        case Go(number):
            return _REPLY.pack(b"G", number)
        case Stored(size_bytes):
            return _REPLY.pack(b"D", size_bytes)


def decode_reply(frame: bytes) -> Reply:
    """Raises: CorruptPayloadError, and nothing else, whatever the bytes are."""
    if len(frame) != _REPLY.size:
        raise CorruptPayloadError(reason=f"a reply takes {_REPLY.size} bytes, got {len(frame)}")
    kind, number = _REPLY.unpack(frame)
    for mark, reply in ((b"Q", Queued), (b"G", Go), (b"D", Stored)):
        if kind == mark:
            return reply(number)
    raise CorruptPayloadError(reason=f"a reply of the unknown kind {kind!r}")
