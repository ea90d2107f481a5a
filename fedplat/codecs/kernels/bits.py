"""Numbers of fixed width or in a fixed base, packed into bytes without gaps between them."""

from typing import Any, no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

WIDEST = 56  # bits of a number: with up to 7 that wait for their byte, they fit a register
NARROW = 24  # bits of numbers that may wait until there are four bytes to write
TERNARY = 3
A_BYTE = 5  # ternary digits: 3⁵ = 243
A_WORD = 1 << 64

Bytes = NDArray[np.uint8]
Symbols = NDArray[np.int16]

_compiled = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")


def pack(numbers: NDArray[Any], lowest: int, width: int) -> bytes:
    """Writes `width` bits of each number less `lowest`, the highest bit first."""
    out = np.zeros((len(numbers) * width + 7) // 8, dtype=np.uint8)
    (_pack_narrow if width <= NARROW else _pack)(numbers, lowest, width, out)
    return out.tobytes()


def unpack(packed: Bytes, out: NDArray[Any], lowest: int, width: int) -> bool:
    """Fills `out` with what `pack` wrote; says whether the bits behind it are all 0.

    `packed` must have exactly the size of what was written.
    """
    return bool((_unpack_narrow if width <= NARROW else _unpack)(packed, lowest, width, out))


def pack_each(numbers: NDArray[np.int64], widths: NDArray[np.uint8]) -> bytes:
    """Writes each number in a width of its own, the highest bit first."""
    out = np.zeros((int(widths.sum(dtype=np.int64)) + 7) // 8, dtype=np.uint8)
    _pack_each(numbers, widths, out)
    return out.tobytes()


def digits_a_word(base: int) -> int:
    """The number of digits of `base` that fit 64 bits, whatever they are."""
    count = 0
    while base ** (count + 1) <= A_WORD:
        count += 1
    return count


def size_of_digits(count: int, base: int) -> int:
    """The bytes of `count` digits: whole words, and for the last ones as few bytes as hold them."""
    words, rest = divmod(count, digits_a_word(base))
    last: int = base**rest - 1  # the highest number that the last digits make
    return 8 * words + (last.bit_length() + 7) // 8


def pack_digits(symbols: Symbols, lowest: int, base: int) -> bytes:
    """Writes symbols less `lowest` as digits of `base`, as many a word as fit, the lowest first."""
    each = digits_a_word(base)
    words = np.zeros(-(-len(symbols) // each), dtype=np.uint64)
    _pack_digits(symbols, lowest, np.uint64(base), each, words)
    return words.astype("<u8", copy=False).tobytes()[: size_of_digits(len(symbols), base)]


def unpack_digits(packed: Bytes, out: Symbols, lowest: int, base: int) -> bool:
    """Fills `out` with what `pack_digits` wrote; says whether each word holds only digits.

    `packed` must have exactly the size of what was written.
    """
    each = digits_a_word(base)
    room = np.zeros(8 * -(-len(out) // each), dtype=np.uint8)
    room[: len(packed)] = packed
    words = room.view("<u8").astype(np.uint64, copy=False)
    return bool(_unpack_digits(words, lowest, np.uint64(base), each, out))


def pack_ternary(symbols: Symbols, lowest: int) -> bytes:
    """Writes symbols from `lowest` to `lowest` + 2, five a byte, the first as the lowest digit."""
    out = np.empty(-(-len(symbols) // A_BYTE), dtype=np.uint8)
    _pack_ternary(symbols, lowest, out)
    return out.tobytes()


def unpack_ternary(packed: Bytes, out: Symbols, lowest: int) -> bool:
    """Fills `out` with what `pack_ternary` wrote; says whether each byte holds only digits.

    `packed` must have exactly the size of what was written.
    """
    digits = np.arange(TERNARY**A_BYTE)[:, None] // TERNARY ** np.arange(A_BYTE) % TERNARY
    return bool(_unpack_ternary(packed, (digits + lowest).astype(np.int16), lowest, out))


@_compiled
@no_type_check
def _pack(numbers, lowest, width, out):
    held, bits, at = 0, 0, 0
    for i in range(len(numbers)):
        held = held << width | (np.int64(numbers[i]) - lowest)
        bits += width
        while bits >= 8:
            bits -= 8
            out[at] = (held >> bits) & 255
            at += 1
    if bits:
        out[at] = (held << (8 - bits)) & 255


@_compiled
@no_type_check
def _unpack(packed, lowest, width, out):
    held, bits, at = 0, 0, 0
    mask = (1 << width) - 1
    for i in range(len(out)):
        while bits < width:
            held = held << 8 | np.int64(packed[at])
            at += 1
            bits += 8
        bits -= width
        out[i] = ((held >> bits) & mask) + lowest
    return held & ((1 << bits) - 1) == 0


@_compiled
@no_type_check
def _pack_narrow(numbers, lowest, width, out):
    held, bits, at = 0, 0, 0
    for i in range(len(numbers)):
        held = held << width | (np.int64(numbers[i]) - lowest)
        bits += width
        if bits >= 32:
            bits -= 32
            four = held >> bits
            out[at] = (four >> 24) & 255
            out[at + 1] = (four >> 16) & 255
            out[at + 2] = (four >> 8) & 255
            out[at + 3] = four & 255
            at += 4
    while bits > 0:
        bits -= 8
        out[at] = (held >> bits if bits >= 0 else held << -bits) & 255
        at += 1


@_compiled
@no_type_check
def _unpack_narrow(packed, lowest, width, out):
    held, bits, at = 0, 0, 0
    mask = (1 << width) - 1
    for i in range(len(out)):
        if bits < width:
            for _ in range(4):
                held = held << 8 | (np.int64(packed[at]) if at < len(packed) else 0)
                at += 1
            bits += 32
        bits -= width
        out[i] = ((held >> bits) & mask) + lowest
    return held & ((1 << bits) - 1) == 0


@_compiled
@no_type_check
def _pack_each(numbers, widths, out):
    held, bits, at = 0, 0, 0
    for i in range(len(numbers)):
        held = held << np.int64(widths[i]) | numbers[i]
        bits += np.int64(widths[i])
        while bits >= 8:
            bits -= 8
            out[at] = (held >> bits) & 255
            at += 1
    if bits:
        out[at] = (held << (8 - bits)) & 255


@_compiled
@no_type_check
def _pack_digits(symbols, lowest, base, each, words):
    for w in range(len(words)):
        word = np.uint64(0)
        for i in range(min(len(symbols), (w + 1) * each) - 1, w * each - 1, -1):
            word = word * base + np.uint64(np.int64(symbols[i]) - lowest)
        words[w] = word


@_compiled
@no_type_check
def _unpack_digits(words, lowest, base, each, out):
    sound = True
    for w in range(len(words)):
        word = words[w]
        for i in range(w * each, min(len(out), (w + 1) * each)):
            rest = word // base
            out[i] = np.int64(word - rest * base) + lowest
            word = rest
        sound &= word == np.uint64(0)
    return sound


@_compiled
@no_type_check
def _pack_ternary(symbols, lowest, out):
    whole = len(symbols) // 5
    zeros = 121 * lowest  # 121 = 1 + 3 + 9 + 27 + 81
    for i in range(whole):
        s = symbols[5 * i : 5 * i + 5]
        out[i] = s[0] + 3 * s[1] + 9 * s[2] + 27 * s[3] + 81 * s[4] - zeros
    if whole < len(out):
        last = 0
        for i in range(len(symbols) - 1, 5 * whole - 1, -1):
            last = 3 * last + np.int64(symbols[i]) - lowest
        out[whole] = last


@_compiled
@no_type_check
def _unpack_ternary(packed, digits, lowest, out):
    whole, highest = len(out) // 5, 0
    for i in range(whole):
        byte = np.int64(packed[i])
        highest = max(highest, byte)
        five = digits[min(byte, 242)]
        for j in range(5):
            out[5 * i + j] = five[j]
    rest = np.int64(packed[whole]) if whole < len(packed) else 0
    for i in range(5 * whole, len(out)):
        out[i] = rest % 3 + lowest
        rest //= 3
    return highest < 243 and rest == 0
