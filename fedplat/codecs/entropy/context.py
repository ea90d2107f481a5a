"""Our context coder: positions and symbols cost what rows, columns and neighbours leave open."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fedplat.codecs import varint
from fedplat.codecs.kernels import context_coder, context_floats, context_map
from fedplat.codecs.kernels.context_coder import Coder, Room
from fedplat.codecs.marks import Marks, many
from fedplat.codecs.packet import Form, Packet, Positions, put
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout

SPARSE = 8  # a map of which less than an eighth is not 0 is read with positions
SIGNS = np.array([1, 0, 0])  # sizes of a map of signs
CUT = "the context coder's bytes are cut, altered or too many"
Map = NDArray[Any]  # int16, or int32 where 1 was added


@dataclass(frozen=True, slots=True)
class Context:
    """Writes a packet as a map over the tensors' rows and columns, with adaptive arithmetic coding.

    Whether a symbol is 0 is coded with a mixture of chances from its row, its column and its
    neighbours, then its sign and its size; of float32 values, exponents and the lowest 1 as well.
    A tensor of shape (out, …) is a matrix of `out` rows, one of fewer dimensions is one row.  Signs
    are those of one pattern over the columns, which a row keeps or turns, as in an outer product.

    Guarantees: integer arithmetic alone, so the same bytes on every machine; bytes that can be
    read are those that are written again; a reader takes at most 48 steps for each number of the
    layout, and ends where the bytes do.
    Raises: CorruptPayloadError from `read`, and nothing else.
    Source: Mahoney 2005, "Adaptive Weighing of Context Models for Lossless Data Compression"
    (mixing in the logistic domain); Wiedemann et al. 2020, "DeepCABAC", §III (flag, sign, size).
    arXiv:1907.11900   Deviates: mixes contexts of rows and columns; no quantisation of its own.
    """

    name: ClassVar[str] = "context"

    def write(self, packet: Packet, form: Form) -> bytes:
        if form.alphabet is None:
            return _written_values(packet, form)
        return _written_symbols(packet, form, form.alphabet)

    def read(self, payload: memoryview, layout: Layout, form: Form) -> Packet:
        shapes, rest = _shapes(layout), payload
        if form.where == "drawn":
            count, rest = varint.read(rest, most=layout.dim)
            shapes = np.array([[1, count]], dtype=np.int64)
        if form.alphabet is None:
            return _read_values(rest, layout, form, shapes)
        return _read_symbols(rest, layout, form, form.alphabet, shapes)


def _shapes(layout: Layout) -> Positions:
    """Rows and columns of each tensor.  Shapes: (tensors, 2)."""
    shapes = [spec.shape for spec in layout.flat]
    pairs = [(s[0], prod(s[1:])) if len(s) > 1 else (1, prod(s)) for s in shapes]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _plan(packet: Packet, form: Form, count: int) -> tuple[Positions, bytes]:
    """Rows and columns, and what says them where the layout does not."""
    if form.where == "drawn":
        return np.array([[1, count]], dtype=np.int64), varint.write(count)
    return _shapes(packet.layout), b""


# ── symbols ──────────────────────────────────────────────────────────────────────────────────────


def _written_symbols(packet: Packet, form: Form, alphabet: tuple[int, int]) -> bytes:
    symbols: Map = packet.letters
    _refuse_strangers(symbols, alphabet, ValueError)
    shapes, head = _plan(packet, form, len(symbols))
    if form.where == "some":
        shifted = bool((symbols == 0).any())
        symbols, head = _shifted(symbols) if shifted else symbols, bytes([shifted])
        alphabet = (alphabet[0], alphabet[1] + shifted)
    symbols = np.ascontiguousarray(symbols) if form.where == "drawn" else _spread(symbols, packet)
    hits = int(np.count_nonzero(symbols))
    return head + varint.write(hits) + _coded(symbols, shapes, _sizes(alphabet), hits)


def _read_symbols(
    payload: memoryview, layout: Layout, form: Form, alphabet: tuple[int, int], shapes: Positions
) -> Packet:
    shifted, (lowest, highest) = 0, alphabet
    if form.where == "some":
        shifted, payload = varint.read(payload, most=1)
    highest += shifted
    symbols = _map(shapes, np.int32 if highest > np.iinfo(np.int16).max else np.int16)
    _end(*_read_map(payload, symbols, shapes, _sizes((lowest, highest))))
    positions: Positions | Marks | None = None
    if form.where == "some" or (form.where == "all" and form.zeros and _few(symbols)):
        positions, symbols = _kept(symbols)
    if shifted:
        np.subtract(symbols, symbols > 0, out=symbols)
        if symbols.all():
            raise CorruptPayloadError(reason="symbols are shifted for a 0 that does not occur")
    _refuse_strangers(symbols, alphabet, _corrupt)
    return Packet(layout, symbols=symbols.astype(np.int16, copy=False), positions=positions)


def _kept(symbols: Map) -> tuple[Positions | Marks, Map]:
    """Where a map is not 0, and what is there."""
    if many(int(np.count_nonzero(symbols)), len(symbols)):
        marks = Marks.where(symbols != 0)
        return marks, marks.picked(symbols)
    positions = np.flatnonzero(symbols)
    return positions, symbols[positions]


def _few(symbols: Map) -> bool:
    return bool(np.count_nonzero(symbols) * SPARSE <= len(symbols))


def _shifted(symbols: Map) -> Map:
    """Symbols without a 0: what is not negative becomes one more."""
    return symbols + (symbols >= 0).astype(np.int32)


def _spread(numbers: Map, packet: Packet) -> Map:
    """The packet's numbers at their positions, 0 elsewhere."""
    if packet.positions is None:
        return np.ascontiguousarray(numbers)
    spread = np.zeros(packet.layout.dim, dtype=numbers.dtype)
    put(numbers, packet.positions, spread)
    return spread


def _sizes(alphabet: tuple[int, int]) -> NDArray[np.int64]:
    """Whether there are negative symbols, and the largest size behind either tag; -1 for none."""
    lowest, highest = alphabet
    if lowest < 0:
        return np.array([1, max(-1, highest - 1), -lowest - 1])
    return np.array([0, min(highest, 1) - 1, highest - 2 if highest > 1 else -1])


def _refuse_strangers(
    symbols: Map, alphabet: tuple[int, int], refusal: Callable[[str], Exception]
) -> None:
    if len(symbols) and not alphabet[0] <= symbols.min() <= symbols.max() <= alphabet[1]:
        raise refusal(f"a symbol is not one of {alphabet[0]} … {alphabet[1]}")


def _corrupt(reason: str) -> CorruptPayloadError:
    return CorruptPayloadError(reason=reason)


# ── float32 values ───────────────────────────────────────────────────────────────────────────────


def _written_values(packet: Packet, form: Form) -> bytes:
    values = packet.numbers if form.where != "all" else packet.dense()
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    shapes, head = _plan(packet, form, len(bits))
    signs = 1 - 2 * (bits >> 31).astype(np.int16)
    if form.where == "some":
        signs = _spread(signs, packet)
    else:  # 0 (not -0) is where the map is 0
        signs[bits == 0] = 0
        bits = bits[bits != 0]
    return head + varint.write(len(bits)) + _coded(signs, shapes, SIGNS, len(bits), bits)


def _read_values(payload: memoryview, layout: Layout, form: Form, shapes: Positions) -> Packet:
    if form.where == "some":
        return _read_some(payload, layout, shapes)
    signs = _map(shapes, np.int32)
    coder, room = _read_map(payload, signs, shapes, SIGNS)
    _read_floats(signs, coder, room)  # each in its sign's place: the model is in memory once
    return Packet(layout, values=signs.view(np.float32))


def _read_some(payload: memoryview, layout: Layout, shapes: Positions) -> Packet:
    positions, signs, coder, room = _read_signs(payload, shapes)
    kept = signs.astype(np.int32)
    _read_floats(kept, coder, room)
    return Packet(layout, values=kept.view(np.float32), positions=positions)


def _read_signs(
    payload: memoryview, shapes: Positions
) -> tuple[Positions | Marks, Map, Coder, Room]:
    """Where there are values, and their signs."""
    signs = _map(shapes, np.int16)
    coder, room = _read_map(payload, signs, shapes, SIGNS)
    return *_kept(signs), coder, room


def _read_floats(signs: Map, coder: Coder, room: Room) -> None:
    """Puts values' bits where signs stand.  Raises: CorruptPayloadError."""
    context_floats.floats(signs.view(np.uint32), context_floats.fresh(), coder, room)
    _end(coder, room)


# ── bytes ────────────────────────────────────────────────────────────────────────────────────────


def _coded(
    symbols: Map,
    shapes: Positions,
    sizes: NDArray[np.int64],
    hits: int,
    bits: NDArray[np.uint32] | None = None,
) -> bytes:
    size = 4 * len(symbols) + 64
    while True:  # the second time only where a map is so unlike itself that it does not shrink
        room = np.empty(size, dtype=np.uint8)
        coder = context_coder.fresh(room, reading=False)
        model = context_map.fresh(hits, len(symbols))
        context_map.walk(symbols, shapes, sizes, hits, model, coder, room)
        if bits is not None:
            context_floats.floats(bits, context_floats.fresh(), coder, room)
        if coder[context_coder.AT] <= size:
            return context_coder.written(coder, room)
        size *= 4


def _map(shapes: Positions, dtype: type[np.int16] | type[np.int32]) -> Map:
    return np.zeros(int((shapes[:, 0] * shapes[:, 1]).sum()), dtype=dtype)


def _read_map(
    payload: memoryview, symbols: Map, shapes: Positions, sizes: NDArray[np.int64]
) -> tuple[Coder, Room]:
    """Fills a map of zeros; what is needed to read on.  Raises: CorruptPayloadError."""
    count = len(symbols)
    hits, payload = varint.read(payload, most=count)
    if hits and max(sizes[1:]) < 0:
        raise CorruptPayloadError(reason=f"{hits} symbols that are not 0, where all are")
    if len(payload) > 64 * count + 64:
        raise CorruptPayloadError(reason=f"{len(payload)} bytes of {count} symbols")
    room = np.frombuffer(payload, dtype=np.uint8).copy()
    coder = context_coder.fresh(room, reading=True)
    model = context_map.fresh(hits, count)
    if context_map.walk(symbols, shapes, sizes, hits, model, coder, room):
        raise CorruptPayloadError(reason=CUT)
    return coder, room


def _end(coder: Coder, room: Room) -> None:
    """Raises: CorruptPayloadError, unless all bytes were read, and no more."""
    if not context_coder.read_through(coder, room):
        raise CorruptPayloadError(reason=CUT)
