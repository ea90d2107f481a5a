"""Pcodec over gaps and values: the fast path."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pcodec import ChunkConfig, DeltaSpec, ModeSpec, PagingSpec
from pcodec.wrapped import FileCompressor, FileDecompressor

from fedplat.codecs.entropy.container import Alphabet, Container
from fedplat.codecs.entropy.letters import Packed, Shortest, within
from fedplat.codecs.entropy.places import exactly, from_gaps, gaps, narrow
from fedplat.codecs.entropy.zstd import ZstdPacked
from fedplat.codecs.marks import Marks
from fedplat.codecs.packet import Form, Packet, Positions, Symbols, Values
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout

CHUNK = 1 << 18  # numbers that share their bins
MOST_BINS = 1 << 18  # bytes, more than the bins of a chunk take
MOST_EACH = 12  # bytes, more than a number of 64 bits takes
PLAIN = 0  # a chunk's first byte: classic mode, no delta
NAMES = {"uint32": "u32", "uint64": "u64", "int16": "i16", "float32": "f32"}


@dataclass(frozen=True, slots=True)
class Pco:
    """Gaps between positions, and values, by pcodec; symbols packed, by zstandard or by pcodec.

    Symbols that are not 0 are written with their positions where they are at most a quarter.

    Guarantees: no buffer is sized by what the payload says.
    Raises: CorruptPayloadError from `read`, and nothing else.
    """

    name: ClassVar[str] = "pco"

    def write(self, packet: Packet, form: Form) -> bytes:
        return _CONTAINER.write(packet, form)

    def read(self, payload: memoryview, layout: Layout, form: Form) -> Packet:
        return _CONTAINER.read(payload, layout, form)


@dataclass(frozen=True, slots=True)
class PcoGaps:
    """How many positions are left out before each, as numbers of 32 bits (64, where dim is)."""

    def write(self, positions: Positions, dim: int) -> bytes:
        return _written(gaps(positions).astype(_unsigned(dim)))

    def read(self, payload: memoryview, count: int, dim: int) -> Positions:
        return from_gaps(_read(payload, count, _unsigned(dim)), dim)

    def marked(self, payload: memoryview, count: int, dim: int) -> Marks:
        # gaps have no name here: they are gone once positions have been made of them
        read = from_gaps(_read(payload, count, _unsigned(dim)), dim, narrow(dim))
        return Marks.of(read, dim)


@dataclass(frozen=True, slots=True)
class PcoSymbols:
    """Symbols as numbers of 16 bits."""

    def write(self, symbols: Symbols, alphabet: Alphabet) -> bytes:
        return _written(symbols)

    def read(self, payload: memoryview, count: int, alphabet: Alphabet) -> Symbols:
        return within(_read(payload, count, np.dtype(np.int16)), alphabet, sound=True)


@dataclass(frozen=True, slots=True)
class PcoFloats:
    """Float32 values."""

    def write(self, values: Values) -> bytes:
        return _written(values)

    def read(self, payload: memoryview, count: int) -> Values:
        return _read(payload, count, np.dtype(np.float32))


def _unsigned(dim: int) -> np.dtype[Any]:
    return np.dtype(np.uint32 if dim <= 1 << 32 else np.uint64)


def _written(numbers: NDArray[Any]) -> bytes:
    """The library's header, then for each chunk its bins and one page; nothing if empty.

    Classic mode without deltas is what gaps and updates want, and it keeps from the decoder what a
    stranger could make large: windows and dictionaries.
    """
    if not len(numbers):
        return b""
    file = FileCompressor()
    parts = [file.write_header()]
    for start in range(0, len(numbers), CHUNK):
        piece = np.ascontiguousarray(numbers[start : start + CHUNK])
        config = ChunkConfig(
            mode_spec=ModeSpec.classic(),
            delta_spec=DeltaSpec.no_op(),
            paging_spec=PagingSpec.exact_page_sizes([len(piece)]),
        )
        chunk = file.chunk_compressor(piece, config)
        parts += [chunk.write_meta(), chunk.write_page(0)]
    return b"".join(parts)


def _read(payload: memoryview, count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """`count` numbers, a chunk's at a time into a buffer of their size."""
    if not count:
        exactly(payload, 0)
        return np.empty(0, dtype=dtype)
    numbers = np.empty(count, dtype=dtype)
    try:
        file, used = FileDecompressor.new(bytes(payload[:16]))
        rest = payload[used:]
        for start in range(0, count, CHUNK):
            rest = _chunk(file, rest, numbers[start : start + CHUNK])
    except RuntimeError as error:
        raise CorruptPayloadError(reason=str(error)) from error
    exactly(rest, 0)
    return numbers


def _chunk(file: Any, payload: memoryview, out: NDArray[Any]) -> memoryview:
    """Fills `out` with one chunk; what follows it."""
    if not len(payload) or payload[0] != PLAIN:
        raise CorruptPayloadError(reason="a chunk of pcodec's classic mode without deltas expected")
    chunk, used = file.chunk_decompressor(bytes(payload[:MOST_BINS]), NAMES[out.dtype.name])
    page = bytes(payload[used : used + MOST_BINS + MOST_EACH * len(out)])
    progress, size = chunk.read_page_into(page, len(out), out)
    if progress.n_processed != len(out) or not progress.finished:
        raise CorruptPayloadError(reason=f"{len(out)} numbers expected, got {progress.n_processed}")
    return payload[used + size :]


def _few(count: int, dim: int, alphabet: Alphabet) -> bool:
    return 4 * count <= dim


_CONTAINER = Container(
    PcoGaps(), Shortest((Packed(), ZstdPacked(), PcoSymbols())), PcoFloats(), _few
)
