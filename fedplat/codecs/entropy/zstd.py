"""Zstandard over what `raw` would write."""

from dataclasses import dataclass
from typing import ClassVar

import zstandard

from fedplat import check
from fedplat.codecs.entropy.container import Alphabet, Container, never
from fedplat.codecs.entropy.letters import Packed
from fedplat.codecs.entropy.numbers import Planes
from fedplat.codecs.entropy.places import Bitmap
from fedplat.codecs.packet import Form, Packet, Symbols
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout

HIGHEST_LEVEL = 22
HEAD_BYTES = 32  # more than a container's flag, count and size take

# A bitmap and all symbols of a map, as patterns of bytes are what zstandard finds.
_CONTAINER = Container(Bitmap(), Packed(), Planes(), never)


@dataclass(frozen=True, slots=True)
class Zstd:
    """A bitmap of positions, packed symbols, values as byte planes; together one zstandard frame.

    Guarantees: nothing is decompressed of a frame that says to hold more than the layout allows.
    Raises: ValueError, if `level` is not in 1 … 22; CorruptPayloadError from `read`.
    """

    name: ClassVar[str] = "zstd"
    level: int = 3

    def __post_init__(self) -> None:
        check.whole(1, level=self.level)
        if self.level > HIGHEST_LEVEL:
            raise ValueError(f"level must be <= {HIGHEST_LEVEL}, got {self.level}")

    def write(self, packet: Packet, form: Form) -> bytes:
        return compressed(_CONTAINER.write(packet, form), self.level)

    def read(self, payload: memoryview, layout: Layout, form: Form) -> Packet:
        most = HEAD_BYTES + layout.dim // 8 + layout.dim * (4 if form.alphabet is None else 2)
        return _CONTAINER.read(memoryview(decompressed(payload, most)), layout, form)


@dataclass(frozen=True, slots=True)
class ZstdPacked:
    """Packed symbols as one zstandard frame."""

    def write(self, symbols: Symbols, alphabet: Alphabet) -> bytes:
        return compressed(Packed().write(symbols, alphabet), level=3)

    def read(self, payload: memoryview, count: int, alphabet: Alphabet) -> Symbols:
        packed = decompressed(payload, Packed().size(count, alphabet))
        return Packed().read(memoryview(packed), count, alphabet)


def compressed(content: bytes, level: int) -> bytes:
    """One frame that says how long its content is."""
    return zstandard.ZstdCompressor(level=level, write_checksum=False).compress(content)


def decompressed(payload: memoryview, most: int) -> bytes:
    """The content of one frame, at most `most` bytes.

    The size is looked at first, as the library sizes its buffer by what the frame says, whatever
    limit it is given.
    Raises: CorruptPayloadError, if that is not said, too much or not so, or bytes follow.
    """
    try:
        said = zstandard.get_frame_parameters(payload)
        if said.content_size > most or said.dict_id:
            reason = f"at most {most} bytes without a dictionary, got {said.content_size}"
            raise CorruptPayloadError(reason=f"a zstandard frame may hold {reason}")
        decompressor = zstandard.ZstdDecompressor()
        content = decompressor.decompress(payload, read_across_frames=False, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise CorruptPayloadError(reason=f"zstandard: {error}") from error
    if len(content) != said.content_size:
        raise CorruptPayloadError(reason=f"a frame of {said.content_size} bytes has {len(content)}")
    return content
