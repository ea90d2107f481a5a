"""Bytes of a packet out of three parts: how positions, symbols and values are written.

| form | payload |
|---|---|
| all values | values |
| drawn values | count · values |
| some values | count · size of positions · positions · values |
| all symbols | 0 · symbols, or 1 · count · size of positions · positions · nonzero symbols |
| drawn symbols | 0 or 1 · count · symbols |
| some symbols | 0 or 1 · count · size of positions · positions · symbols |

Counts and sizes are varints; 1 says that the symbol 0 does not occur, so that those above it move
down by one.  Only a count can size anything, and it is at most the layout's size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fedplat.codecs import varint
from fedplat.codecs.marks import Marks, many
from fedplat.codecs.packet import Form, Packet, Positions, Symbols, Values, put
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout

Alphabet = tuple[int, int]
Few = Callable[[int, int, Alphabet], bool]


class Places(Protocol):
    """How strictly ascending positions below `dim` are written."""

    def write(self, positions: Positions, dim: int) -> bytes: ...

    def read(self, payload: memoryview, count: int, dim: int) -> Positions:
        """Raises: CorruptPayloadError, unless `payload` is just `count` such positions."""

    def marked(self, payload: memoryview, count: int, dim: int) -> Marks:
        """What `read` gives, in less memory where it is much.  Raises: as `read`."""


class Letters(Protocol):
    """How symbols of an alphabet, given by its lowest and highest, are written."""

    def write(self, symbols: Symbols, alphabet: Alphabet) -> bytes: ...

    def read(self, payload: memoryview, count: int, alphabet: Alphabet) -> Symbols:
        """Raises: CorruptPayloadError, unless `payload` is just `count` symbols of it."""


class Numbers(Protocol):
    """How float32 values are written, bit by bit."""

    def write(self, values: Values) -> bytes: ...

    def read(self, payload: memoryview, count: int) -> Values:
        """Raises: CorruptPayloadError, unless `payload` is just `count` values."""


@dataclass(frozen=True, slots=True)
class Container:
    """Writes packets of every form.

    Of a map of symbols only those that are not 0 are written, with their positions, if they are
    `few`: a function of how many they are, of dim and of the alphabet.
    """

    places: Places
    letters: Letters
    numbers: Numbers
    few: Few

    def write(self, packet: Packet, form: Form) -> bytes:
        if form.alphabet is None:
            return self._head(packet, form) + self.numbers.write(packet.numbers)
        packet = self._sifted(packet, form)
        closed = self._has_no_zero(packet, form)
        symbols, alphabet = packet.letters, form.alphabet
        if closed:
            symbols, alphabet = without_zero(symbols), (alphabet[0], alphabet[1] - 1)
        head = self._head(packet, form) if closed or form.where != "all" else b""
        return bytes([closed]) + head + self.letters.write(symbols, alphabet)

    def read(self, payload: memoryview, layout: Layout, form: Form) -> Packet:
        """Raises: CorruptPayloadError."""
        if form.alphabet is None:
            count, positions, rest = self._where(payload, layout.dim, form.where)
            return Packet(layout, values=self.numbers.read(rest, count), positions=positions)
        flag, payload = first_byte(payload, most=1)
        if form.where == "all" and not flag:
            return Packet(layout, symbols=self.letters.read(payload, layout.dim, form.alphabet))
        where = "some" if form.where == "all" else form.where
        count, positions, rest = self._where(payload, layout.dim, where)
        lowest, highest = form.alphabet
        symbols = self.letters.read(rest, count, (lowest, highest - flag))
        if flag:
            np.add(symbols, symbols >= 0, out=symbols)
        return settled(layout, symbols, positions, form)

    def _sifted(self, packet: Packet, form: Form) -> Packet:
        """The packet without the zeros that need not travel."""
        if form.where == "all":
            return nonzero(packet) if self._mostly_zero(packet, form) else packet
        return nonzero(packet) if form.where == "some" and form.zeros else packet

    def _mostly_zero(self, packet: Packet, form: Form) -> bool:
        if form.alphabet is None or not _holds_zero(form):
            return False
        return self.few(int(np.count_nonzero(packet.letters)), packet.layout.dim, form.alphabet)

    def _has_no_zero(self, packet: Packet, form: Form) -> bool:
        if form.where == "all":
            return packet.positions is not None
        return _holds_zero(form) and bool(packet.letters.all())

    def _head(self, packet: Packet, form: Form) -> bytes:
        """How many, and where, as far as that travels."""
        if form.where == "all" and packet.symbols is None:
            return b""
        numbers = packet.numbers if packet.symbols is None else packet.letters
        count = varint.write(len(numbers))
        if form.where == "drawn":
            return count
        return count + sized(self.places.write(packet.places(), packet.layout.dim))

    def _where(
        self, payload: memoryview, dim: int, where: str
    ) -> tuple[int, Positions | Marks | None, memoryview]:
        if where == "all":
            return dim, None, payload
        count, rest = varint.read(payload, most=dim)
        if where == "drawn":
            return count, None, rest
        places, rest = section(rest)
        read = self.places.marked if many(count, dim) else self.places.read
        return count, read(places, count, dim), rest


def first_byte(payload: memoryview, *, most: int) -> tuple[int, memoryview]:
    """A byte from 0 to `most`, and what follows it.  Raises: CorruptPayloadError."""
    if not len(payload) or payload[0] > most:
        raise CorruptPayloadError(reason=f"a first byte from 0 to {most} expected")
    return payload[0], payload[1:]


def sized(part: bytes) -> bytes:
    """A part behind its size, a varint."""
    return varint.write(len(part)) + part


def section(payload: memoryview) -> tuple[memoryview, memoryview]:
    """A part that was `sized`, and what follows it.  Raises: CorruptPayloadError, if it is cut."""
    size, rest = varint.read(payload, most=len(payload))
    if size > len(rest):
        raise CorruptPayloadError(reason=f"a part of {size} bytes expected, got {len(rest)}")
    return rest[:size], rest[size:]


def never(count: int, dim: int, alphabet: Alphabet) -> bool:
    """The `few` of who writes all symbols of a map."""
    return False


def nonzero(packet: Packet) -> Packet:
    """The packet's entries that are not the symbol 0, with their positions."""
    kept = np.flatnonzero(packet.letters != 0)  # of booleans it is five times as fast
    positions = kept if packet.positions is None else packet.places()[kept]
    return Packet(packet.layout, symbols=packet.letters[kept], positions=positions)


def settled(
    layout: Layout, symbols: Symbols, positions: Positions | Marks | None, form: Form
) -> Packet:
    """What a reader returns of nonzero symbols: all of a map, unless few may stand for it."""
    kept = form.where != "all" or (form.zeros and not many(len(symbols), layout.dim))
    if positions is None or kept:
        return Packet(layout, symbols=symbols, positions=positions)
    spread = np.zeros(layout.dim, dtype=np.int16)
    put(symbols, positions, spread)
    return Packet(layout, symbols=spread)


def without_zero(symbols: Symbols) -> Symbols:
    """Symbols among which 0 does not occur, those above it moved down by one."""
    return symbols - (symbols > 0)


def _holds_zero(form: Form) -> bool:
    return form.alphabet is not None and form.alphabet[0] <= 0 <= form.alphabet[1]
