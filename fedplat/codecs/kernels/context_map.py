"""A map of symbols over rows and columns, bit by bit, each with a chance from what is around it.

Updates of layers are nearly outer products: where much has changed in a row or in a column, more
will.  So whether a symbol is 0 is asked of seven chances: of what the column, the row and the
neighbours have been so far.  A symbol that is not 0 follows with its tag (its sign, or whether it
is more than 1 where there are no negative ones) and its size.  The signs of an outer product are
those of one pattern over the columns, which a row either keeps or turns: columns vote on the
pattern, and the row's first signs tell which way it is turned.
"""

from typing import no_type_check

import numba
import numpy as np

from fedplat.codecs.kernels.context_coder import (
    AT,
    INPUTS,
    LAST,
    READING,
    UNIT,
    Model,
    decide,
    single,
)
from fedplat.codecs.kernels.context_tables import (
    LIMIT,
    ONE,
    REACH,
    haste,
    paces,
    squashed,
    stretched,
)

BUILT_ON = "7bd36a9672355611"  # hash of the kernels compiled into these: a cache misses theirs

HITS, ABOVE, TAG, BALANCE, SIZE, VOTES, BEFORE = range(7)  # of a column: how many, which, …
FIELDS = 7
FLAGS, TAGS, SIZES, TREES, CHANCES = 0, 45056, 53248, 69632, 73728  # where chances lie
FLAG_SETS, TAG_SETS, SIZE_SETS, SETS = 0, 32, 48, 80  # of weights
FLAG_INPUTS, TAG_INPUTS, SIZE_INPUTS = 7, 5, 3
STEP = 180  # of log-odds, between two contexts of a row's density
# twice a count, or how many rows were seen, in the middle of each level
TWICE = np.array([0, 2, 4, 6, 9, 13, 19, 27, 39, 55, 79, 111, 159, 223, 319, 447])
DOUBT = 10  # observations that the map's density, which is known, is worth in each context
# of counts, coarser as they grow: 0, 1, 2, 3, 4–5, 6–7, 8–11 … 192 and more
LEVELS = np.repeat(np.arange(16), [1, 1, 1, 1, 2, 2, 4, 4, 8, 8, 16, 16, 32, 32, 64, 1])

BAND = 1 << 15  # columns that are remembered at a time
MOST = 63  # votes of a column on its place in the pattern of signs

_compiled = numba.njit(cache=True, nogil=True)
_inlined = numba.njit(cache=True, nogil=True, inline="always")


def fresh(hits: int, count: int) -> Model:
    """The model that knows of a map only how many of its `count` symbols are not 0."""
    prior = max(1, min(ONE - 1, ONE * hits // max(1, count)))
    limit = LIMIT << 2 * ((128 * hits < count) + (512 * hits < count))  # the rarer, the steadier
    chances = np.full(CHANCES, (1 << 47) | 2, dtype=np.int64)
    _guess(chances, prior, stretched(), squashed())
    weights = np.zeros((SETS, INPUTS), dtype=np.int64)
    weights[FLAG_SETS:TAG_SETS, :FLAG_INPUTS] = UNIT // FLAG_INPUTS
    weights[TAG_SETS:SIZE_SETS, :TAG_INPUTS] = UNIT // TAG_INPUTS
    weights[SIZE_SETS:, :SIZE_INPUTS] = UNIT // SIZE_INPUTS
    inputs = np.zeros(INPUTS, dtype=np.int64)
    return inputs, chances, weights.reshape(-1), stretched(), squashed(), paces(limit), haste()


@_compiled
@no_type_check
def _guess(chances, prior, odds, squash):
    """What each flag's chance is at first: of rows and columns whose densities differ (Gamma ½)."""
    usual, steps = np.int64(odds[prior]), np.arange(32) * STEP - REACH + STEP // 2
    steady, fresh = (steps - usual) * 3 // 4, (steps - usual) // 2
    chances[FLAGS:TAGS] = _guessed(usual, squash)
    for hits in range(16):
        for rows in range(16):
            column = hits * 16 + rows
            own = _shift(1, hits, rows, prior, odds)
            beside = _shift(2, hits, rows, prior, odds) // 2
            wide = _guessed(usual + _shift(5, hits, rows, prior, odds) // 2, squash)
            for above in range(4):
                shift = own + 64 * ((above + 1) // 2)
                chances[FLAGS + 256 + column * 4 + above] = _guessed(usual + shift, squash)
            for step in range(32):
                at = FLAGS + step * 256 + column
                chances[at + 2048] = _guessed(usual + steady[step] + own, squash)
                chances[at + 28672] = _guessed(usual + fresh[step] + beside, squash)
            for above in range(16):
                chances[FLAGS + 20480 + above * 256 + column] = wide
    for slow in range(32):
        for fast in range(32):
            odd = usual + (steady[slow] + fresh[fast]) // 2
            chances[FLAGS + 40960 + slow * 32 + fast] = _guessed(odd, squash)


@_inlined
@no_type_check
def _shift(width, hits, rows, prior, odds):
    """By how much log-odds change where `width` columns had these hits in these rows."""
    hits, seen = TWICE[hits], TWICE[rows]
    chance = ONE * (hits + 1) * prior // (width * seen * prior + ONE)
    return np.int64(odds[max(1, min(ONE - 1, chance))]) - np.int64(odds[prior])


@_inlined
@no_type_check
def _guessed(odd, squash):
    return squash[max(-REACH, min(REACH, odd)) + REACH] << 32 | DOUBT


@_inlined
@no_type_check
def level(count):
    """A count, coarser."""
    return LEVELS[min(count, len(LEVELS) - 1)]


@_inlined
@no_type_check
def _flag(bit, rows, left, run, fast, slow, near, model, coder, room):
    """Whether a symbol is not 0; `near` are five columns, its own in the middle."""
    stretch = model[3]
    hits, own = near[2, HITS], near[2, ABOVE]
    beside = near[1, HITS] + near[3, HITS]
    wide = level(beside + hits + near[0, HITS] + near[4, HITS])
    above = (own & 3) | (near[1, ABOVE] & 1) << 2 | (near[3, ABOVE] & 1) << 3
    fresh = min((stretch[fast >> 16] + REACH) // STEP, 31)
    steady = min((stretch[slow >> 16] + REACH) // STEP, 31)
    column, beside = level(hits) * 16 + rows, level(beside)
    places = (
        np.int64(FLAGS),
        FLAGS + 256 + column * 4 + (own & 3),
        FLAGS + 2048 + steady * 256 + column,
        FLAGS + 12288 + ((left & 15) * 16 + level(run)) * 16 + beside,
        FLAGS + 20480 + (above * 16 + wide) * 16 + rows,
        FLAGS + 28672 + (fresh * 16 + beside) * 16 + rows,
        FLAGS + 40960 + steady * 32 + fresh,
    )
    return decide(
        bit,
        places,
        (FLAG_SETS + (level(hits) >> 1) * 4 + (rows >> 2)) * INPUTS,
        model,
        coder,
        room,
    )


@_inlined
@no_type_check
def _tag(bit, last, lean, trend, turn, near, model, coder, room):
    """The sign; `last` is the row's last, `lean` and `trend` are means of the row's, 0 to 2¹⁶.

    `turn` is above 0 where the row's signs so far keep to the pattern, below where they turn it.
    """
    votes, strength = near[2, VOTES], level(abs(turn) >> 1)
    sense = np.int64(turn * votes > 0) + 2 * np.int64(turn * votes < 0)
    own, balance = near[2, TAG], max(-7, min(7, near[2, BALANCE])) + 7
    places = (
        TAGS + ((own * 3 + last) * 3 + near[1, TAG]) * 3 + near[3, TAG],
        TAGS + 128 + (balance * 3 + last) * 32 + (lean >> 11),
        TAGS + 2048 + (lean >> 11) * 3 + own,
        TAGS + 3072 + (trend >> 10) * 16 + balance,
        TAGS + 4096 + (strength * 16 + level(abs(votes))) * 3 + sense,
    )
    return decide(bit, places, (TAG_SETS + strength) * INPUTS, model, coder, room)


@_compiled
@no_type_check
def _size(size, most, row, last, column, model, coder, room):
    """A size from 0 to `most`: its octave in unary, then its bits; all adaptive."""
    octave = np.int64(0)
    here, there, up = level(row >> 6), level(last), level(column >> 6)
    while (2 << octave) - 1 <= most:
        at = min(octave, 15) * 1024
        places = (
            SIZES + at + up * 16 + there,
            SIZES + at + 256 + here * 16 + up,
            SIZES + at + 512 + level((row + column) >> 5) * 16 + there,
        )
        more = np.int64(size >= (2 << octave) - 1)
        base = (SIZE_SETS + min(octave, 31)) * INPUTS
        if not decide(more, places, base, model, coder, room):
            break
        octave += 1
    found, node = (np.int64(1) << octave) - 1, np.int64(1)
    offset = size - found
    for k in range(octave - 1, -1, -1):
        if found + (1 << k) > most:
            continue
        bit = single(offset >> k & 1, TREES + octave * 256 + node, model, coder, room)
        found += bit << k
        node = min(node << 1 | bit, 128 + k) if node < 64 else 128 + k
    return found


@_compiled
@no_type_check
def _vote(hit, turn, columns):
    """Moves the pattern towards a row's signs, or away; `hit` is its last column that has one."""
    while hit >= 0:
        column = columns[hit]
        agreed = (column[TAG] == 1) == (turn >= 0)
        column[VOTES] = max(-MOST, min(MOST, column[VOTES] + (1 if agreed else -1)))
        hit = column[BEFORE]


@_compiled
@no_type_check
def _row(i, symbols, columns, means, form, budget, model, coder, room):
    """One row of symbols; `means` of earlier rows' hits go on, `budget` are the hits to come."""
    signed, most = form[0], form[1:]
    turn, hit = np.int64(0), np.int64(-1)
    left, run, last, size_last = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    fast, slow, lean, trend, sizes = means[0], means[1], means[2], means[3], means[4]
    rows = level(i)
    for j in range(len(symbols)):
        if not budget:
            break
        near = columns[j : j + 5]
        bit = np.int64(symbols[j] != 0)
        bit = _flag(bit, rows, left, run, fast, slow, near, model, coder, room)
        fast += ((bit << 32) - fast) >> 5
        slow += ((bit << 32) - slow) >> 8
        near[2, ABOVE] = near[2, ABOVE] << 1 | bit
        left, run = left << 1 | bit, 0 if bit else run + 1
        if not bit:
            continue
        budget -= 1
        near[2, HITS] += 1
        symbol = np.int64(symbols[j])
        tag = np.int64(symbol < 0) if signed else np.int64(symbol > 1)
        if most[0] < 0 or most[1] < 0:
            tag = np.int64(most[0] < 0)
        else:
            tag = _tag(tag, last, lean, trend, turn, near, model, coder, room)
        size = abs(symbol) - 1 if signed else symbol - 1 - tag
        size = _size(size, most[tag], sizes, size_last, near[2, SIZE], model, coder, room)
        last, near[2, TAG] = 1 + tag, 1 + tag
        near[2, BALANCE] += 1 - 2 * tag
        turn += (1 - 2 * tag) * near[2, VOTES]
        near[2, BEFORE], hit = hit, j + 2
        lean += ((tag << 16) - lean) >> 3
        trend += ((tag << 16) - trend) >> 6
        sizes += ((size << 6) - sizes) >> 4
        near[2, SIZE] += ((size << 6) - near[2, SIZE]) >> 1
        size_last = size
        if coder[READING]:
            symbols[j] = (1 + size) * (1 - 2 * tag) if signed else 1 + size + tag
    _vote(hit, turn, columns)
    means[0], means[1], means[2], means[3], means[4] = fast, slow, lean, trend, sizes
    return budget


@_compiled
@no_type_check
def _band(symbols, means, form, budget, model, coder, room):
    """Neighbouring columns of a matrix, row by row; the hits that are still to come."""
    columns = np.zeros((symbols.shape[1] + 4, FIELDS), dtype=np.int64)
    for i in range(len(symbols)):
        if not budget or (coder[READING] and coder[AT] > len(room) + LAST):
            break
        budget = _row(i, symbols[i], columns, means, form, budget, model, coder, room)
    return budget


@_compiled
@no_type_check
def walk(symbols, shapes, form, budget, model, coder, room):
    """Codes the symbols of all tensors, each a matrix, in bands; returns the hits that are missing.

    `form`: whether symbols are signed, and the largest size behind either tag (-1: there is none).
    `budget`: how many symbols are not 0.  Ends early when more is read than there is.
    Shapes: `symbols` (count,) int16 or int32, `shapes` (tensors, 2), `form` (3,).
    """
    start = np.int64(0)
    usual = min(budget * (1 << 32) // max(1, len(symbols)), (1 << 32) - 1)  # a chance of 1 is none
    means = np.array([usual, 0, 1 << 15, 1 << 15, 0])
    means[1] = means[0]
    for t in range(len(shapes)):
        rows, width = shapes[t, 0], shapes[t, 1]
        if not rows * width:
            continue
        for left in range(0, width, BAND):
            band = symbols[start : start + rows * width].reshape(rows, width)[:, left : left + BAND]
            budget = _band(band, means, form, budget, model, coder, room)
        start += rows * width
    return budget
