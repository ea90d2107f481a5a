"""Huffman codes of symbols: canonical, at most 16 bits long."""

import heapq
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedplat.codecs import varint
from fedplat.codecs.entropy.container import Alphabet, Container, never, section, sized
from fedplat.codecs.entropy.letters import letters
from fedplat.codecs.entropy.numbers import Float32
from fedplat.codecs.entropy.places import Golomb, exactly
from fedplat.codecs.kernels import bits, prefix
from fedplat.codecs.packet import Form, Packet, Positions, Symbols
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout

LONGEST = 16

Lengths = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Prefix:
    """Which symbols occur (count, size, Golomb codes), 4 bits for each code's length, the codes.

    A single symbol has a code of no bits, and no length.  Codes are canonical: the shorter first,
    of equals the lower symbol.
    """

    def write(self, symbols: Symbols, alphabet: Alphabet) -> bytes:
        found = prefix.counts(symbols, alphabet[0], letters(alphabet))
        ranks = np.flatnonzero(found)
        table = Golomb().write(ranks, letters(alphabet))
        head = varint.write(len(ranks)) + sized(table)
        if len(ranks) < 2:
            return head
        lengths = code_lengths(found[ranks])
        codes, each = np.zeros_like(found), np.zeros(len(found), dtype=np.uint8)
        order = _canonical(lengths)
        spans = 1 << (LONGEST - lengths[order].astype(np.int64))
        codes[ranks[order]] = (np.cumsum(spans) - spans) >> (LONGEST - lengths[order])
        each[ranks] = lengths
        total = int(found @ each.astype(np.int64))
        coded = prefix.write(symbols, alphabet[0], codes, each, total)
        return head + bits.pack(lengths, 1, 4) + coded

    def read(self, payload: memoryview, count: int, alphabet: Alphabet) -> Symbols:
        values, rest = _occurring(payload, alphabet)
        if bool(len(values)) != bool(count):
            raise CorruptPayloadError(reason=f"{len(values)} codes for {count} symbols")
        if len(values) < 2:
            exactly(rest, 0)
            return np.full(count, values[0] if count else 0, dtype=np.int16)
        lengths, coded = _lengths(rest, len(values))
        if count * int(lengths.min()) > 8 * len(coded):
            raise CorruptPayloadError(reason=f"{count} codes in {len(coded)} bytes")
        table, each = _table(values, lengths)
        symbols = np.empty(count, dtype=np.int16)
        if not prefix.read(np.frombuffer(coded, dtype=np.uint8), table, each, symbols):
            raise CorruptPayloadError(reason=f"not the codes of {count} symbols")
        return symbols


_CONTAINER = Container(Golomb(), Prefix(), Float32(), never)


@dataclass(frozen=True, slots=True)
class Huffman:
    """Huffman codes over all symbols of a map, zeros included; FedZip's first encoding.

    Where only some have a symbol, their positions are Golomb codes.  Values stay float32.

    Guarantees: at most one bit a symbol above the entropy of their frequencies, tables aside.
    Raises: CorruptPayloadError from `read`, and nothing else.
    Source: Huffman 1952; Malekijoo et al. 2021, "FedZip", arXiv:2102.01593.  Deviates: FedZip's
    program counts 2, 1 and 1 bits for three symbols, which no code can have (see `fedzip_claims`).
    """

    name: ClassVar[str] = "huffman"

    def write(self, packet: Packet, form: Form) -> bytes:
        return _CONTAINER.write(packet, form)

    def read(self, payload: memoryview, layout: Layout, form: Form) -> Packet:
        return _CONTAINER.read(payload, layout, form)


def code_lengths(counts: Positions) -> Lengths:
    """The lengths, at most 16, of a shortest prefix code for symbols that occur so often.

    Guarantees: Σ 2^−length = 1; without the limit, no code is shorter on the whole.
    Shapes: (symbols,) → (symbols,); two symbols or more, all counts > 0.
    """
    heap = [(int(count), index) for index, count in enumerate(counts)]
    heapq.heapify(heap)
    above = [0] * (2 * len(counts) - 1)
    for parent in range(len(counts), 2 * len(counts) - 1):
        (one, left), (other, right) = heapq.heappop(heap), heapq.heappop(heap)
        above[left] = above[right] = parent
        heapq.heappush(heap, (one + other, parent))
    depth = [0] * len(above)
    for index in range(len(above) - 2, -1, -1):
        depth[index] = depth[above[index]] + 1
    lengths = np.array(depth[: len(counts)], dtype=np.int64)
    return _limited(lengths, counts) if lengths.max() > LONGEST else lengths.astype(np.uint8)


def _limited(lengths: Positions, counts: Positions) -> Lengths:
    """Longer codes are cut to 16 bits, and others lengthened until all can be told apart."""
    of_length = np.bincount(np.minimum(lengths, LONGEST), minlength=LONGEST + 1)
    excess = int((of_length << (LONGEST - np.arange(LONGEST + 1))).sum()) - (1 << LONGEST)
    for _ in range(excess):  # one of the longest moves beside a shorter one, which grows by a bit
        shorter = int(np.flatnonzero(of_length[:LONGEST])[-1])
        of_length[LONGEST] -= 1
        of_length[shorter] -= 1
        of_length[shorter + 1] += 2
    limited = np.empty(len(counts), dtype=np.uint8)
    often_first = np.argsort(-counts, kind="stable")
    limited[often_first] = np.repeat(np.arange(LONGEST + 1, dtype=np.uint8), of_length)
    return limited


def _canonical(lengths: Lengths) -> Positions:
    return np.argsort(lengths, kind="stable")


def _table(values: Symbols, lengths: Lengths) -> tuple[Symbols, Lengths]:
    """What a code that starts with these bits stands for, and how long it is.

    Shapes: (symbols,) → (2^longest,).
    """
    order = _canonical(lengths)
    values, lengths = values[order], lengths[order]
    del order
    spans = 1 << (int(lengths.max()) - lengths.astype(np.int64))
    return np.repeat(values, spans), np.repeat(lengths, spans)


def _occurring(payload: memoryview, alphabet: Alphabet) -> tuple[Symbols, memoryview]:
    """Which symbols have a code, and what follows."""
    size = letters(alphabet)
    count, rest = varint.read(payload, most=max(0, size))
    table, rest = section(rest)
    ranks = Golomb().read(table, count, size)
    ranks += alphabet[0]
    return ranks.astype(np.int16), rest


def _lengths(payload: memoryview, count: int) -> tuple[Lengths, memoryview]:
    """The lengths of all codes, and what follows.  Raises: CorruptPayloadError, if none can be."""
    size = (count + 1) // 2
    exactly(payload[:size], size)
    lengths = np.empty(count, dtype=np.uint8)
    sound = bits.unpack(np.frombuffer(payload[:size], dtype=np.uint8), lengths, 1, 4)
    if not sound or int((1 << (LONGEST - lengths.astype(np.int64))).sum()) != 1 << LONGEST:
        raise CorruptPayloadError(reason="the lengths of codes are those of no prefix code")
    return lengths, payload[size:]
