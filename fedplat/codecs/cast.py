"""Half-width floats: bfloat16 as it is, float16 with a power of two for each tensor."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from fedplat.codecs import finite, ranges
from fedplat.codecs.kernels import quantise
from fedplat.codecs.packet import Form, Packet
from fedplat.codecs.stage import Memory, Traits
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout

ALPHABET = (-32768, 32767)
TOP = 15  # a tensor's largest magnitude comes to lie in [2^14, 2^15), float16 ends at 2^16
BELOW = np.float32(2**15 - 16)  # the largest float16 below 2^15
MOST = 126  # scales and their reciprocals are normal numbers


@dataclass(frozen=True, slots=True)
class Bf16:
    """Makes a value its upper 16 bits, rounded to the nearest, halves to the even: bfloat16.

    Guarantees: |x − x̂| ≤ 2⁻⁸·|x| for normal numbers; what bfloat16 has comes back bit by bit, and
    +0 is symbol 0.  Where the nearest is infinite, the one below it is taken.
    Source: Kalamkar et al. 2019, "A Study of BFLOAT16 for Deep Learning Training", section 2.
    arXiv:1905.12322
    """

    name: ClassVar[str] = "bf16"

    @property
    def traits(self) -> Traits:
        return Traits(lossy=True, unbiased=False, linear=False)

    def form(self, before: Form) -> Form:
        ranges.takes_values(self.name, "global", before)
        return Form(before.where, alphabet=ALPHABET, zeros=True)

    def forward(self, packet: Packet, memory: Memory, seed: int) -> tuple[Packet, Memory]:
        values = np.ascontiguousarray(packet.numbers, dtype=np.float32)
        return packet.quantised(quantise.upper_halves(values.view(np.uint32))), {}

    def backward(self, packet: Packet, layout: Layout) -> Packet:
        halves = packet.letters.view(np.uint16)
        if quantise.any_special(halves, 0x7F80):
            raise CorruptPayloadError(reason="a bfloat16 that is not finite")
        bits = halves.astype(np.uint32)
        bits <<= np.uint32(16)
        return packet.restored(bits.view(np.float32))


@dataclass(frozen=True, slots=True)
class Fp16:
    """Makes a value times a power of two a float16, rounded to the nearest, halves to the even.

    The power brings each tensor's largest magnitude to [2¹⁴, 2¹⁵); it travels on the side.

    Guarantees: |x − x̂| ≤ 2⁻¹¹·|x| down to 2⁻²⁸ of the tensor's largest, and below that at most
    2⁻³⁹ of it; +0 is symbol 0.
    Source: IEEE 754-2019, binary16; Micikevicius et al. 2018, "Mixed Precision Training", section
    3.2 (scaling).  arXiv:1710.03740  Deviates: a scale of its own for each tensor.
    """

    name: ClassVar[str] = "fp16"

    @property
    def traits(self) -> Traits:
        return Traits(lossy=True, unbiased=False, linear=False)

    def form(self, before: Form) -> Form:
        ranges.takes_values(self.name, "tensor", before)
        return Form(before.where, alphabet=ALPHABET, zeros=True)

    def forward(self, packet: Packet, memory: Memory, seed: int) -> tuple[Packet, Memory]:
        values, edges = packet.numbers, packet.edges()
        exponents = np.frexp(quantise.peaks(values, edges))[1]
        scales = np.ldexp(np.float32(1), np.minimum(TOP - exponents, MOST)).astype(np.float32)
        scaled = values * np.repeat(scales, np.diff(edges))
        halves = np.clip(scaled, -BELOW, BELOW).astype(np.float16)  # 2^15 might be 2^128 unscaled
        return packet.quantised(halves.view(np.int16), scales), {}

    def backward(self, packet: Packet, layout: Layout) -> Packet:
        scales, packet = ranges.popped_scales(packet, len(layout.flat))
        if quantise.any_special(packet.letters.view(np.uint16), 0x7C00):
            raise CorruptPayloadError(reason="a float16 that is not finite")
        fractions, exponents = np.frexp(scales)
        if (fractions != 0.5).any() or (abs(exponents - 1) > MOST).any():
            raise CorruptPayloadError(reason="a scale that is no power of two from 2⁻¹²⁶ to 2¹²⁶")
        edges = ranges.edges(packet, "tensor", 1)
        values = packet.letters.view(np.float16).astype(np.float32)
        with np.errstate(over="ignore"):
            for scale, (start, stop) in zip(scales, pairwise(edges), strict=True):
                values[start:stop] *= np.float32(1) / scale
        if not finite.are_all(values):
            raise CorruptPayloadError(reason="a float16 that its scale makes too large")
        return packet.restored(values)
