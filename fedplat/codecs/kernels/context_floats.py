"""Float32 magnitudes: the exponent with a chance from those before, the mantissa's last bits too.

An update is the difference of two float32 models, so its lowest bits are 0 down from where the
weights' own precision ends: the place of the lowest 1 is coded, with the exponent as context.
"""

from typing import no_type_check

import numba
import numpy as np

from fedplat.codecs.kernels.context_coder import AT, LAST, READING, Coder, Model, plain, single
from fedplat.codecs.kernels.context_tables import paces, squashed, stretched

BUILT_ON = "7bd36a9672355611"  # hash of the kernels compiled into these: a cache misses theirs

EXPONENTS, ENDS, CHANCES = 0, 65536, 73728  # where chances lie
MANTISSA = 23  # bits
NOWHERE = 1 << 60  # where no payload ends

_compiled = numba.njit(cache=True, nogil=True)
_inlined = numba.njit(cache=True, nogil=True, inline="always")


def fresh() -> Model:
    """The model that knows of no value yet."""
    none = np.zeros(1, dtype=np.int64)
    chances = np.full(CHANCES, (1 << 47) | 2, dtype=np.int64)
    return none, chances, none, stretched(), squashed(), paces(), none


@_inlined
@no_type_check
def _tree(number, bits, place, model, coder, room):
    """A number of `bits` bits, the highest first; a chance for each beginning of it."""
    node = np.int64(1)
    for k in range(bits - 1, -1, -1):
        node = node << 1 | single(number >> k & 1, place + node, model, coder, room)
    return node - (1 << bits)


@_compiled
@no_type_check
def floats(values, model, coder, room):
    """Codes float32 bit patterns without their signs; ends early when more is read than there is.

    A reader puts them where `values` are not 0, and keeps the highest bit, the sign, that it finds.
    Shapes: `values` (count,) uint32.
    """
    usual = np.int64(-1)  # the mean of exponents, in 1/16; none yet
    for i in range(len(values)):
        if coder[READING]:
            if coder[AT] > len(room) + LAST:
                return
            if not values[i]:
                continue
        bits = np.int64(values[i]) & 0x7FFFFFFF
        place = EXPONENTS + (max(usual, 0) >> 4) * 256
        exponent = _tree(bits >> MANTISSA, 8, place, model, coder, room)
        usual = exponent << 4 if usual < 0 else usual + (exponent - (usual >> 4))
        mantissa, end = bits & (1 << MANTISSA) - 1, np.int64(0)
        while end < MANTISSA and not mantissa >> end & 1:
            end += 1
        end = _tree(end, 5, ENDS + exponent * 32, model, coder, room)
        if end > MANTISSA:  # no writer says so
            coder[AT] = NOWHERE
            return
        above = max(0, MANTISSA - 1 - end)  # bits over the lowest 1
        high = plain(mantissa >> end + 1 >> min(above, 12), max(0, above - 12), coder, room)
        low = plain(mantissa >> end + 1 & (1 << min(above, 12)) - 1, min(above, 12), coder, room)
        if coder[READING]:
            mantissa = (high << min(above, 12) | low) << end + 1
            if end < MANTISSA:
                mantissa |= 1 << end
            values[i] = (values[i] & 0x80000000) | exponent << MANTISSA | mantissa


__all__ = ["Coder", "floats", "fresh"]
