"""Which positions there are, a bit each: what stands for positions where there are many."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Entry = TypeVar("Entry", bound=np.generic)

BLOCK = 1 << 13  # positions that are looked at together; a multiple of 8
MANY = 4  # where more than a quarter of all positions are there, they are marked


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """Which of `dim` positions there are: a bit each, the highest of a byte first; others are 0.

    A list of positions takes 8 bytes for each that is there, this an eighth of one for each that
    could be: so a model whose values nearly all travel is read in the memory of two models.

    Shapes: `bits` (⌈dim / 8⌉,).

    >>> Marks.of(np.array([1, 4]), 5).below(np.array([0, 2, 5]))
    array([0, 1, 2])
    """

    bits: NDArray[np.uint8]
    dim: int

    @classmethod
    def where(cls, there: NDArray[np.bool_]) -> "Marks":
        """The positions at which `there` is true."""
        return cls(np.packbits(there), len(there))

    @classmethod
    def of(cls, positions: NDArray[np.signedinteger], dim: int) -> "Marks":
        """These positions of `dim`."""
        there = np.zeros(dim, dtype=np.bool_)
        for start in range(0, len(positions), BLOCK):  # NumPy makes 8 bytes of each index
            there[positions[start : start + BLOCK]] = True
        return cls.where(there)

    def there(self, start: int = 0, stop: int | None = None) -> NDArray[np.bool_]:
        """Of each position from `start` to `stop`, or to the last, whether it is there."""
        stop = self.dim if stop is None else stop
        bits = self.bits[start >> 3 : (stop + 7) >> 3]
        return np.unpackbits(bits)[start & 7 :][: stop - start].view(np.bool_)

    def below(self, edges: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many there are below each of `edges`, which are from 0 to dim."""
        whole = np.zeros(len(self.bits) + 1, dtype=np.int64)
        np.cumsum(np.bitwise_count(self.bits), out=whole[1:])
        bits = np.append(self.bits, np.uint8(0))[edges >> 3]
        kept = (0xFF00 >> (edges & 7) & 0xFF).astype(np.uint8)
        counts: NDArray[np.int64] = whole[edges >> 3] + np.bitwise_count(bits & kept)
        return counts

    def picked(self, whole: NDArray[Entry]) -> NDArray[Entry]:
        """The entries of a whole vector at the positions that are there, in their order."""
        blocks = range(0, self.dim, BLOCK)
        counts = self.below(np.array([*blocks, self.dim]))
        entries = np.empty(int(counts[-1]), dtype=whole.dtype)
        for start, first, last in zip(blocks, counts, counts[1:], strict=False):
            places = np.flatnonzero(self.there(start, min(start + BLOCK, self.dim)))
            entries[first:last] = whole[start : start + BLOCK][places]
        return entries

    def spread(
        self, entries: NDArray[np.generic], onto: NDArray[np.generic], first: int = 0
    ) -> None:
        """Puts entries to their positions, of which `first` is `onto`'s first; leaves the others.

        There must be an entry for each that is there, from `first` to the end of `onto`.
        """
        at = 0
        for start in range(0, len(onto), BLOCK):
            out = onto[start : start + BLOCK]
            # a list of a block's positions is several times as fast as its bits
            places = np.flatnonzero(self.there(first + start, first + start + len(out)))
            out[places] = entries[at : at + len(places)]
            at += len(places)


def many(count: int, dim: int) -> bool:
    """Whether so many of `dim` positions are marked, not listed, when they are read."""
    return MANY * count > dim
