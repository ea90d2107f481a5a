"""How symbols are written: packed at their alphabet's size, or the shortest of several ways."""

from dataclasses import dataclass

import numpy as np

from fedplat.codecs.entropy.container import Alphabet, Letters, first_byte
from fedplat.codecs.entropy.places import exactly
from fedplat.codecs.kernels import bits
from fedplat.codecs.packet import Symbols
from fedplat.errors import CorruptPayloadError


@dataclass(frozen=True, slots=True)
class Packed:
    """As many bits as the alphabet needs, or as digits where that takes less.

    Three symbols: five a byte (1.6 bits, log2 3 is 1.585).  Otherwise as many digits a word of 64
    bits as fit.  One symbol takes no bytes.
    """

    def write(self, symbols: Symbols, alphabet: Alphabet) -> bytes:
        lowest, size = alphabet[0], letters(alphabet)
        if size == bits.TERNARY:
            return bits.pack_ternary(symbols, lowest)
        if _as_digits(size):
            return bits.pack_digits(symbols, lowest, size)
        return bits.pack(symbols, lowest, _width(size))

    def read(self, payload: memoryview, count: int, alphabet: Alphabet) -> Symbols:
        lowest, size = alphabet[0], letters(alphabet)
        exactly(payload, self.size(count, alphabet))
        packed = np.frombuffer(payload, dtype=np.uint8)
        symbols = np.empty(count, dtype=np.int16)
        if size == bits.TERNARY:
            sound = bits.unpack_ternary(packed, symbols, lowest)
        elif _as_digits(size):
            sound = bits.unpack_digits(packed, symbols, lowest, size)
        else:
            sound = bits.unpack(packed, symbols, lowest, _width(size))
        return within(symbols, alphabet, sound)

    def size(self, count: int, alphabet: Alphabet) -> int:
        """The bytes of `count` symbols."""
        size = letters(alphabet)
        if size == bits.TERNARY:
            return -(-count // bits.A_BYTE)
        if _as_digits(size):
            return bits.size_of_digits(count, size)
        return (count * _width(size) + 7) // 8


@dataclass(frozen=True, slots=True)
class Shortest:
    """A byte that names one of several ways, and what that wrote: the shortest, or the first."""

    ways: tuple[Letters, ...]

    def write(self, symbols: Symbols, alphabet: Alphabet) -> bytes:
        tried = [way.write(symbols, alphabet) for way in self.ways]
        index = min(range(len(tried)), key=lambda i: len(tried[i]))
        return bytes([index]) + tried[index]

    def read(self, payload: memoryview, count: int, alphabet: Alphabet) -> Symbols:
        index, rest = first_byte(payload, most=len(self.ways) - 1)
        return self.ways[index].read(rest, count, alphabet)


def letters(alphabet: Alphabet) -> int:
    """The number of symbols of an alphabet."""
    return alphabet[1] - alphabet[0] + 1


def within(symbols: Symbols, alphabet: Alphabet, sound: bool) -> Symbols:
    """The symbols.  Raises: CorruptPayloadError, unless all are of the alphabet."""
    lowest, highest = alphabet
    if sound and len(symbols):
        sound = lowest <= int(symbols.min()) and int(symbols.max()) <= highest
    if not sound:
        raise CorruptPayloadError(reason=f"a symbol that is not one of {lowest} to {highest}")
    return symbols


def _width(size: int) -> int:
    return max(0, size - 1).bit_length()


def _as_digits(size: int) -> bool:
    return size > 1 and bits.digits_a_word(size) * _width(size) > 64
