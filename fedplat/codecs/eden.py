"""EDEN: a random rotation makes any update look normal, for which the best few levels are known."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch

from fedplat import check
from fedplat.codecs import finite
from fedplat.codecs.kernels import counter, hadamard, levels
from fedplat.codecs.lloyd_max import MAGNITUDES
from fedplat.codecs.packet import Form, Packet, Symbols, Values
from fedplat.codecs.stage import Memory, Traits
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout
from fedplat.types import TensorSpec

LARGEST_BLOCK = 1 << 16  # stays in a core's second cache; its scale costs 4 bytes
SMALLEST_BLOCK = 1 << 8  # below, the rotated values are too few to look normal


@dataclass(frozen=True, slots=True)
class Eden:
    """Rotates at random, rounds to 2^`bits` levels, scales so that the expectation is the update.

    The vector is cut into blocks of 2^16 values, and the rest into smaller powers of two, down to
    2^8; at most 255 zeros are put behind it (a vector below 2^8 is one block).  Each block is
    rotated `rotations` times by a randomised Hadamard transform, and has one scale on the side.

    Guarantees: unbiased, as far as a Hadamard transform does what a uniform rotation would;
    E‖x − x̂‖² ≈ ‖x‖² · .571, .133, .0358, .00959 … for 1, 2, 3, 4 … bits.  If `biased`: · .363,
    .117, .0345, .00950, as the least error wants it, for use inside error feedback.
    Edge cases: a block of zeros comes back as zeros; what would be decoded beyond float32's largest
    number comes back as that number.
    Raises: ValueError, unless 1 ≤ bits ≤ 8 and 1 ≤ rotations ≤ 4.
    Source: Vargaftik et al. 2022, "EDEN: Communication-Efficient and Robust Distributed Mean
    Estimation for Federated Learning", Algorithm 1, arXiv:2108.08842; 1 bit is DRIVE,
    arXiv:2105.08339.  Deviates: blocks, and two rotations: after one, the signs of an update with
    few large values hold those alone, and the others are lost in every round alike.
    """

    name: ClassVar[str] = "eden"
    bits: int
    biased: bool = False
    rotations: int = 2

    def __post_init__(self) -> None:
        check.whole(1, bits=self.bits, rotations=self.rotations)
        if self.bits > max(MAGNITUDES) or self.rotations > 4:
            raise ValueError(f"bits must be 1 to 8 and rotations 1 to 4, got {self}")

    @property
    def traits(self) -> Traits:
        return Traits(lossy=True, unbiased=not self.biased, linear=False, seeded=True)

    def form(self, before: Form) -> Form:
        if before.alphabet is not None or before.where == "some":
            raise ValueError(
                f"eden takes all values of an update, or drawn ones, not {before.kind}"
            )
        return replace(before, alphabet=(0, 2**self.bits - 1), zeros=False)

    def reshaped(self, layout: Layout) -> Layout:
        shape = (sum(block_sizes(layout.dim)),)
        return Layout((TensorSpec("rotated", torch.float32, shape),))

    def forward(self, packet: Packet, memory: Memory, seed: int) -> tuple[Packet, Memory]:
        values, sizes = packet.dense(), block_sizes(packet.layout.dim)
        room = np.empty(max(sizes, default=0), dtype=np.float32)
        symbols = np.empty(sum(sizes), dtype=np.int16)
        scales, start = np.empty(len(sizes)), 0
        for i, (size, keys) in enumerate(zip(sizes, self._keys(seed, len(sizes)), strict=True)):
            here = slice(start, start := start + size)
            scales[i] = self._rounded(values[here], keys, room[:size], symbols[here])
        coded = replace(packet, layout=self.reshaped(packet.layout), positions=None)
        coded = coded.quantised(symbols, finite.nearest(scales))
        return coded.pushed(np.array([seed], dtype=np.uint64)), {}

    def backward(self, packet: Packet, layout: Layout) -> Packet:
        sizes = block_sizes(layout.dim)
        symbols = self._checked(packet, sum(sizes))
        seed, packet = packet.popped_word()
        scales, packet = packet.popped(len(sizes))
        values, start = np.empty(len(symbols), dtype=np.float32), 0
        for i, (size, keys) in enumerate(zip(sizes, self._keys(seed, len(sizes)), strict=True)):
            here = slice(start, start := start + size)
            self._restored(symbols[here], keys, values[here])
            levels.scale(values[here], float(scales[i]))
        return replace(packet, layout=layout, symbols=None, values=values[: layout.dim])

    def _rounded(self, values: Values, keys: list[int], room: Values, symbols: Symbols) -> float:
        """Writes a block's symbols and returns its scale."""
        size = levels.normalised(values, room)
        if not math.isfinite(size):
            raise ValueError("eden takes finite values only")
        for key in keys:
            hadamard.rotate(room, key)
        dot, square = levels.nearest(room, self._magnitudes, symbols)
        if not dot:
            return 0.0
        return size * dot / square if self.biased else size * len(room) / dot

    def _restored(self, symbols: Symbols, keys: list[int], values: Values) -> None:
        levels.restore(symbols, self._magnitudes, values)
        for key in reversed(keys):
            hadamard.rotate_back(values, key)

    def _checked(self, packet: Packet, count: int) -> Symbols:
        symbols = packet.letters
        if packet.positions is not None or len(symbols) != count:
            reason = f"eden needs {count} symbols, got {len(symbols)}"
            raise CorruptPayloadError(reason=reason)
        if count and not (symbols.min() >= 0 and symbols.max() < 2**self.bits):
            raise CorruptPayloadError(reason=f"a symbol of more than {self.bits} bits")
        return symbols

    @property
    def _magnitudes(self) -> Values:
        return np.array(MAGNITUDES[self.bits], dtype=np.float32)

    def _keys(self, seed: int, blocks: int) -> list[list[int]]:
        """The keys of each block's rotations."""
        flat = [int(word) for word in counter.words(seed, blocks * self.rotations)]
        return [flat[i : i + self.rotations] for i in range(0, len(flat), self.rotations)]


def block_sizes(count: int) -> list[int]:
    """The blocks, all powers of two, that `count` values are rotated in; the largest first.

    >>> block_sizes(70_000), block_sizes(100), block_sizes(0)
    ([65536, 4096, 512], [128], [])
    """
    if count < SMALLEST_BLOCK:
        return [1 << (count - 1).bit_length()] if count else []
    sizes = [LARGEST_BLOCK] * (count // LARGEST_BLOCK)
    rest = -(-(count % LARGEST_BLOCK) // SMALLEST_BLOCK) * SMALLEST_BLOCK
    bits = range(rest.bit_length() - 1, -1, -1)
    return sizes + [1 << bit for bit in bits if rest >> bit & 1]
