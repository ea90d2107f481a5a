"""A binary range coder, and the mixing of several chances into the one that it codes with.

Everything is int64 and below 2⁶³: the same bits on every machine.  One function codes in both
directions, so that writer and reader can not part.

The coder is an array of what the names below say.  A chance is one integer: 2³² times the chance of
a 1, shifted by 16 bits, and in these how often it was observed.
"""

from typing import no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

from fedplat.codecs.kernels.context_tables import REACH

BUILT_ON = "615068295d9251cb"  # hash of the kernels compiled into these: a cache misses theirs

Coder = NDArray[np.int64]
Room = NDArray[np.uint8]
# inputs, chances, weights, and the tables: stretched, squashed, paces, haste
Model = tuple[
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int16],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
]

LOW, RANGE, CODE, AT, READING = range(5)
MASK = (1 << 48) - 1
LAST = 6  # bytes that `low` takes
INPUTS = 8  # weights of a set: up to seven, and how often they were moved
UNIT = 1 << 28  # a weight of 1
PLACES = (1 << 17) - 1  # chances lie below: that an index is not negative is not asked again

_compiled = numba.njit(cache=True, nogil=True)
_inlined = numba.njit(cache=True, nogil=True, inline="always")


@_compiled
@no_type_check
def _carry(room, at):
    at = min(at, len(room)) - 1
    while at >= 0 and room[at] == 255:
        room[at] = 0
        at -= 1
    if at >= 0:
        room[at] += 1


@_inlined
@no_type_check
def _narrowed(low, span, coder, room):
    """Makes `low` and `span` the coder's; two bytes go out, or come in, where the span is small."""
    at = coder[AT]
    if low > MASK:
        low &= MASK
        if not coder[READING]:
            _carry(room, at)
    if span < 1 << 32:
        if coder[READING]:
            following = np.int64(0)
            if at < len(room):
                following = np.int64(room[at]) << 8
            if at + 1 < len(room):
                following |= np.int64(room[at + 1])
            coder[CODE] = (coder[CODE] << 16 & MASK) | following
        elif at + 1 < len(room):
            room[at] = low >> 40
            room[at + 1] = low >> 32 & 255
        coder[AT] = at + 2
        low = low << 16 & MASK
        span <<= 16
    coder[LOW], coder[RANGE] = low, span


@_inlined
@no_type_check
def code(bit, chance, coder, room):
    """Writes `bit`, or reads one, whose chance of being 1 is `chance` / 2¹⁶."""
    low, span = coder[LOW], coder[RANGE]
    bound = (span >> 16) * chance
    if coder[READING]:
        bit = np.int64(((coder[CODE] - low) & MASK) < bound)
    if bit:
        _narrowed(low, bound, coder, room)
    else:
        _narrowed(low + bound, span - bound, coder, room)
    return bit


@_inlined
@no_type_check
def plain(number, bits, coder, room):
    """Writes or reads a number of up to 16 bits, each number as likely as the others."""
    low, share = coder[LOW], coder[RANGE] >> bits
    if coder[READING]:
        number = min(((coder[CODE] - low) & MASK) // share, (1 << bits) - 1)
    _narrowed(low + number * share, share, coder, room)
    return number


@_inlined
@no_type_check
def learn(chances, place, bit, pace):
    """Moves a chance towards `bit`: the more was observed, the less."""
    chance, count = chances[place] >> 16, chances[place] & 0xFFFF
    target = 0xFFFFFFFF if bit else 0
    chance += ((target - chance) * pace[count & 0xFFFF]) >> 16
    chances[place] = chance << 16 | min(count + 1, len(pace) - 1)


@_inlined
@no_type_check
def single(bit, place, model, coder, room):
    """Codes one bit with one chance."""
    chances, pace = model[1], model[5]
    bit = code(bit, max(1, chances[place] >> 32), coder, room)
    learn(chances, place, bit, pace)
    return bit


@_inlined
@no_type_check
def decide(bit, places, base, model, coder, room):
    """Codes one bit with the chances at `places`, a tuple.

    Their log-odds are mixed by the weights from `base` on, which then move against the error.
    """
    inputs, chances, weights, stretch, squash, pace, haste = model
    total = np.int64(0)
    for k in range(len(places)):
        inputs[k] = stretch[chances[places[k] & PLACES] >> 32 & 0xFFFF]
        total += inputs[k] * weights[base + k]
    chance = squash[max(-REACH, min(REACH, total >> 28)) + REACH]
    bit = code(bit, chance, coder, room)
    seen = weights[base + INPUTS - 1]
    rate = ((bit << 16) - chance) * haste[min(seen >> 8, len(haste) - 1)]
    for k in range(len(places)):
        weights[base + k] += (inputs[k] * rate) >> 12
        learn(chances, places[k] & PLACES, bit, pace)
    weights[base + INPUTS - 1] = seen + 1
    return bit


def fresh(room: Room, *, reading: bool) -> Coder:
    """A fresh coder, that writes to `room` or reads from it."""
    code = int.from_bytes(bytes(room[:LAST]).ljust(LAST, b"\0"), "big") if reading else 0
    return np.array([0, MASK, code, LAST if reading else 0, reading], dtype=np.int64)


def written(coder: Coder, room: Room) -> bytes:
    """All bytes, of which the last are as few as tell the coder's span from others."""
    end, size = _end(coder)
    at = int(coder[AT])
    if end > MASK:
        _carry(room, at)
    return bytes(room[:at]) + (end & MASK).to_bytes(LAST, "big")[:size]


def read_through(coder: Coder, room: Room) -> bool:
    """Whether `room` is, to the byte, what a writer of the same bits has written."""
    end, size = _end(coder)
    return end & MASK == int(coder[CODE]) and len(room) == int(coder[AT]) - LAST + size


def _end(coder: Coder) -> tuple[int, int]:
    low, span = int(coder[LOW]), int(coder[RANGE])
    for size in range(LAST):
        unit = 1 << 8 * (LAST - size)
        end = -(-low // unit) * unit
        if end - low < span:
            return end, size
    return low, LAST
