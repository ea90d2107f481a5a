"""Frame v1: the 64 bytes before every encoded update.

All numbers are little-endian.

| bytes | field | |
|---|---|---|
| 0–3 | magic | `FPU1` |
| 4 | version | 1 |
| 5 | flags | 0 |
| 6–7 | header length | 64 |
| 8–15 | codec id | BLAKE2b-8 of the codec's spec |
| 16–31 | tree hash | BLAKE2b-16 of the layout: names, dtypes, shapes |
| 32–39 | base version | what the update is relative to: the first 8 bytes of a broadcast's digest |
| 40–43 | round | |
| 44–51 | raw length | of the update as float32 |
| 52–55 | body length | |
| 56–63 | checksum | XXH3-64 of all other bytes |

No name, no shape and no size of anything that is allocated is read from a frame.
"""

import hashlib
import struct
from dataclasses import dataclass

import xxhash

from fedplat.errors import CorruptPayloadError
from fedplat.params import DTYPE_NAMES, Layout
from fedplat.protocols import Stamp

MAGIC = b"FPU1"
VERSION = 1
HEADER_BYTES = 64
LARGEST_BODY = (1 << 32) - 1
FIELDS = struct.Struct("<4sBBH8s16sQIQI")
CHECKSUM = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Kind:
    """What both sides know of each frame of a federation: which codec, which tensors."""

    codec_id: bytes
    tree_hash: bytes
    raw_bytes: int

    @classmethod
    def of(cls, spec: str, layout: Layout) -> "Kind":
        tensors = [f"{s.name}|{DTYPE_NAMES[s.dtype]}|{s.shape}" for s in layout.specs]
        tree = "".join(f"{len(one.encode())}:{one}" for one in tensors)
        return cls(
            hashlib.blake2b(spec.encode(), digest_size=8).digest(),
            hashlib.blake2b(tree.encode(), digest_size=16).digest(),
            4 * layout.dim,
        )


def write(kind: Kind, stamp: Stamp, body: bytes) -> bytes:
    """A frame around `body`.  Raises: ValueError, if the body takes 4 GiB or more."""
    if len(body) > LARGEST_BODY:
        raise ValueError(f"an encoded update takes {len(body)} bytes; a frame holds < 4 GiB")
    fields = FIELDS.pack(
        MAGIC,
        VERSION,
        0,
        HEADER_BYTES,
        kind.codec_id,
        kind.tree_hash,
        stamp.base,
        stamp.round_id,
        kind.raw_bytes,
        len(body),
    )
    return b"".join([fields, CHECKSUM.pack(_checksum(fields, body)), body])


def read(frame: bytes | memoryview, kind: Kind) -> tuple[Stamp, memoryview]:
    """The stamp (without its seed) and the body of a frame.

    Raises: CorruptPayloadError, if it is cut, altered, or of another version, codec or model.
    """
    view = memoryview(frame)
    if len(view) < HEADER_BYTES:
        raise CorruptPayloadError(reason=f"a frame takes 64 bytes or more, got {len(view)}")
    magic, version, flags, header, codec_id, tree, base, round_id, raw, size = FIELDS.unpack(
        view[: FIELDS.size]
    )
    if magic != MAGIC or (version, flags, header) != (VERSION, 0, HEADER_BYTES):
        raise CorruptPayloadError(reason="this is no frame of version 1")
    if codec_id != kind.codec_id:
        raise CorruptPayloadError(reason="the frame was made by another codec than the scenario's")
    if tree != kind.tree_hash or raw != kind.raw_bytes:
        raise CorruptPayloadError(reason="the frame is of another model than the scenario's")
    body = view[HEADER_BYTES:]
    if size != len(body):
        raise CorruptPayloadError(reason=f"the frame's body takes {size} bytes, got {len(body)}")
    checksum = CHECKSUM.unpack(view[FIELDS.size : HEADER_BYTES])[0]
    if checksum != _checksum(view[: FIELDS.size], body):
        raise CorruptPayloadError(reason="the frame's checksum differs: it was altered on its way")
    return Stamp(0, round_id, base), body


def _checksum(fields: bytes | memoryview, body: bytes | memoryview) -> int:
    digest = xxhash.xxh3_64(fields)
    digest.update(body)
    return digest.intdigest()
