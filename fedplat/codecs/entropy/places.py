"""How positions are written: at fixed width, as a bitmap, as Golomb codes of gaps, by pcodec."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedplat.codecs import varint
from fedplat.codecs.kernels import bits, golomb
from fedplat.codecs.marks import BLOCK, Marks
from fedplat.codecs.packet import Positions
from fedplat.errors import CorruptPayloadError

Whole = type[np.int32] | type[np.int64]


@dataclass(frozen=True, slots=True)
class Bitmap:
    """One bit for each position below dim, the highest bit of a byte first."""

    def write(self, positions: Positions, dim: int) -> bytes:
        bitmap = np.zeros(dim, dtype=np.uint8)
        bitmap[positions] = 1
        return np.packbits(bitmap).tobytes()

    def read(self, payload: memoryview, count: int, dim: int) -> Positions:
        return np.flatnonzero(self.marked(payload, count, dim).there())

    def marked(self, payload: memoryview, count: int, dim: int) -> Marks:
        exactly(payload, (dim + 7) // 8)
        bits = np.frombuffer(payload, dtype=np.uint8).copy()
        behind = int(bits[-1]) & 0xFF >> (dim & 7) if dim & 7 else 0
        if behind or int(np.bitwise_count(bits).sum(dtype=np.int64)) != count:
            raise CorruptPayloadError(reason=f"a bitmap of {count} positions expected")
        return Marks(bits, dim)


@dataclass(frozen=True, slots=True)
class Plain:
    """⌈log2 dim⌉ bits for each position, or a bitmap where that takes less."""

    def write(self, positions: Positions, dim: int) -> bytes:
        if self._by_bitmap(len(positions), dim):
            return Bitmap().write(positions, dim)
        return bits.pack(positions, 0, width(dim))

    def read(self, payload: memoryview, count: int, dim: int) -> Positions:
        if self._by_bitmap(count, dim):
            return Bitmap().read(payload, count, dim)
        return self._read(payload, count, dim, np.int64)

    def marked(self, payload: memoryview, count: int, dim: int) -> Marks:
        if self._by_bitmap(count, dim):
            return Bitmap().marked(payload, count, dim)
        return Marks.of(self._read(payload, count, dim, narrow(dim)), dim)

    def _read(self, payload: memoryview, count: int, dim: int, dtype: Whole) -> NDArray[Any]:
        exactly(payload, self.size(count, dim))
        positions: NDArray[Any] = np.empty(count, dtype=dtype)
        sound = bits.unpack(np.frombuffer(payload, dtype=np.uint8), positions, 0, width(dim))
        return ascending(positions, dim, sound)

    def size(self, count: int, dim: int) -> int:
        """The bytes of `count` positions."""
        return (min(count * width(dim), dim) + 7) // 8

    def _by_bitmap(self, count: int, dim: int) -> bool:
        return count * width(dim) > dim


@dataclass(frozen=True, slots=True)
class Golomb:
    """The parameter m (a varint), then the Golomb codes of the gaps.

    Guarantees: at most 1 % above log2 C(dim, count) for uniformly drawn positions, if at most 30 %
    of a large dim.
    """

    def write(self, positions: Positions, dim: int) -> bytes:
        if not len(positions):
            return b""
        m, size = golomb.best(positions)
        return varint.write(m) + golomb.write(positions, m, size)

    def read(self, payload: memoryview, count: int, dim: int) -> Positions:
        return self._read(payload, count, dim, np.int64)

    def marked(self, payload: memoryview, count: int, dim: int) -> Marks:
        return Marks.of(self._read(payload, count, dim, narrow(dim)), dim)

    def _read(self, payload: memoryview, count: int, dim: int, dtype: Whole) -> NDArray[Any]:
        if not count:
            exactly(payload, 0)
            return np.empty(0, dtype=dtype)
        m, rest = varint.read(payload, most=2 * dim)
        if m == 0 or count > 8 * len(rest):
            raise CorruptPayloadError(reason=f"{count} gaps by m = {m} in {len(rest)} bytes")
        positions: NDArray[Any] = np.empty(count, dtype=dtype)
        if not golomb.read(np.frombuffer(rest, dtype=np.uint8), m, dim, positions):
            raise CorruptPayloadError(reason=f"not the gaps of {count} positions below {dim}")
        return positions


def width(dim: int) -> int:
    """The bits of a position below `dim`."""
    return max(0, dim - 1).bit_length()


def narrow(dim: int) -> Whole:
    """What holds a position below `dim` in least memory."""
    return np.int32 if dim <= np.iinfo(np.int32).max else np.int64


def gaps(positions: Positions) -> Positions:
    """How many positions are left out before each."""
    return np.diff(positions, prepend=-1) - 1


def from_gaps(
    left_out: NDArray[np.uint32] | NDArray[np.uint64], dim: int, dtype: Whole = np.int64
) -> NDArray[Any]:
    """What `gaps` was made of.  Raises: CorruptPayloadError, unless all are below `dim`."""
    if len(left_out) and int(left_out.max()) >= dim:
        raise CorruptPayloadError(reason=f"a gap of {left_out.max()} in {dim}")
    positions: NDArray[Any] = left_out.astype(dtype)  # sums that are too large wrap: a descent
    positions += 1
    np.cumsum(positions, out=positions)
    positions -= 1
    return ascending(positions, dim, sound=True)


def ascending(positions: NDArray[Any], dim: int, sound: bool) -> NDArray[Any]:
    """The positions.  Raises: CorruptPayloadError, unless they ascend strictly, below `dim`."""
    if len(positions):
        sound = sound and positions[0] >= 0 and int(positions[-1]) < dim
        sound = sound and _ascend(positions)
    if not sound:
        raise CorruptPayloadError(reason=f"positions do not ascend strictly from 0 to {dim - 1}")
    return positions


def _ascend(positions: NDArray[Any]) -> bool:
    for start in range(0, len(positions), BLOCK):
        block = positions[start : start + BLOCK + 1]
        if not (block[1:] > block[:-1]).all():
            return False
    return True


def exactly(payload: memoryview, size: int) -> None:
    """Raises: CorruptPayloadError, unless `payload` has `size` bytes."""
    if len(payload) != size:
        raise CorruptPayloadError(reason=f"{size} bytes expected, got {len(payload)}")
