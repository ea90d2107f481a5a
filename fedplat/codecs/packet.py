"""What the stages of a chain hand to one another: an update, dense, sparse or as symbols."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fedplat.codecs.marks import Marks
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout

Values = NDArray[np.float32]
Positions = NDArray[np.int64]
Symbols = NDArray[np.int16]

Where = Literal["all", "some", "drawn"]


@dataclass(frozen=True, slots=True)
class Form:
    """The kind of packet between two stages, known on both sides before any byte has come.

    `where` are the positions that it has: all, some (they travel), or some that follow from a seed.
    `alphabet` are the lowest and the highest symbol, or None where values are float32.
    `zeros` says that symbol 0 stands for the value 0, so that a reader may leave it out.
    """

    where: Where = "all"
    alphabet: tuple[int, int] | None = None
    zeros: bool = False

    @property
    def kind(self) -> str:
        """In words, for messages: dense, sparse or symbols."""
        if self.alphabet is not None:
            return "symbols"
        return "dense" if self.where == "all" else "sparse"


@dataclass(frozen=True, slots=True, eq=False)
class Packet:
    """A vector of `layout`, on its way through a chain.

    Where `positions` is given the vector is 0 elsewhere; they ascend strictly, or are `Marks`: what
    was read has those where more than a quarter of all are there.  Either `values` or `symbols` is
    given, one for each position.  `side` is what stages need to undo themselves: a stack of bytes,
    so the last stage's comes off first.

    Shapes: `values`, `symbols` (count,), `positions` (count,) or None for all; count ≤ layout.dim.
    """

    layout: Layout
    values: Values | None = None
    symbols: Symbols | None = None
    positions: Positions | Marks | None = None
    side: bytes | memoryview = b""

    @property
    def numbers(self) -> Values:
        """The values.  Raises: CorruptPayloadError, if there are only symbols."""
        if self.values is None:
            raise CorruptPayloadError(reason="symbols where values were expected")
        return self.values

    @property
    def letters(self) -> Symbols:
        """The symbols.  Raises: CorruptPayloadError, if there are only values."""
        if self.symbols is None:
            raise CorruptPayloadError(reason="values where symbols were expected")
        return self.symbols

    def dense(self) -> Values:
        """All values, in the order of the layout.

        Raises: CorruptPayloadError, if their count is not that of the layout.
        """
        values = self.numbers
        if self.positions is None:
            if len(values) != self.layout.dim:
                reason = f"{self.layout.dim} values expected, got {len(values)}"
                raise CorruptPayloadError(reason=reason)
            return values
        vector = np.zeros(self.layout.dim, dtype=np.float32)
        put(values, self.positions, vector)
        return vector

    def places(self) -> Positions:
        """All positions, as a list."""
        if self.positions is None:
            return np.arange(self.layout.dim, dtype=np.int64)
        if isinstance(self.positions, Marks):
            return np.flatnonzero(self.positions.there())
        return self.positions

    @property
    def index(self) -> slice | Positions:
        """What picks this packet's entries out of a whole vector."""
        return slice(None) if self.positions is None else self.places()

    def edges(self) -> Positions:
        """Where each tensor's entries begin, and the last one's end, among this packet's own.

        Shapes: (num_tensors + 1,).
        """
        return self.among(tensor_edges(self.layout))

    def among(self, edges: Positions) -> Positions:
        """How many of this packet's entries stand below each of `edges`, which are of the vector.

        Shapes: (edges,) → (edges,).
        """
        if self.positions is None:
            return edges
        if isinstance(self.positions, Marks):
            return self.positions.below(edges)
        return np.searchsorted(self.positions, edges).astype(np.int64, copy=False)

    def quantised(self, symbols: Symbols, *numbers: Values) -> "Packet":
        """This packet with symbols in place of its values, and `numbers` pushed on the side."""
        side = b"".join([bytes(self.side), *(_little(one) for one in numbers)])
        return replace(self, values=None, symbols=symbols, side=side)

    def restored(self, values: Values) -> "Packet":
        """This packet with values in place of its symbols."""
        return replace(self, values=values, symbols=None)

    def pushed(self, numbers: Values | NDArray[np.uint64]) -> "Packet":
        """This packet with float32 numbers, or one word, on top of the side."""
        return replace(self, side=bytes(self.side) + _little(numbers))

    def popped(self, count: int) -> tuple[Values, "Packet"]:
        """The `count` float32 numbers on top of the side, and the packet without them.

        Raises: CorruptPayloadError, if there are fewer, or one is not finite.
        """
        payload, rest = self._cut(4 * count)
        numbers = np.frombuffer(payload, dtype="<f4").astype(np.float32)
        if not np.isfinite(numbers).all():
            raise CorruptPayloadError(reason="a scale or a centroid is not finite")
        return numbers, rest

    def popped_word(self) -> tuple[int, "Packet"]:
        """The unsigned 64-bit word on top of the side (a seed), and the packet without it."""
        payload, rest = self._cut(8)
        return int.from_bytes(payload, "little"), rest

    def _cut(self, size: int) -> tuple[memoryview, "Packet"]:
        side = memoryview(self.side)
        if len(side) < size:
            reason = f"a stage needs {size} bytes beside the symbols, got {len(side)}"
            raise CorruptPayloadError(reason=reason)
        start = len(side) - size
        return side[start:], replace(self, side=side[:start])


def tensor_edges(layout: Layout) -> Positions:
    """Where each float32 tensor begins in the vector, and where the last one ends."""
    sizes = [spec.numel for spec in layout.flat]
    return np.cumsum([0, *sizes], dtype=np.int64)


def put(
    entries: NDArray[np.generic], positions: Positions | Marks, onto: NDArray[np.generic]
) -> None:
    """Writes entries to their positions in a whole vector; leaves all others as they are."""
    if isinstance(positions, Marks):
        positions.spread(entries, onto)
    else:
        onto[positions] = entries


def _little(numbers: Values | NDArray[np.uint64]) -> bytes:
    return numbers.astype(numbers.dtype.newbyteorder("<"), copy=False).tobytes()
