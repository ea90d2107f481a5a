"""How rows differ in every layer of a model, once their small values are left out.

One pass over the rows tells it, block by block, in memory that does not grow with the dimension.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedplat.aggregators.geometry import Matrix

Addresses = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """Where a model's layers lie among the columns, and which of a row's values are large.

    Those are large that are no smaller than the row's threshold.
    Shapes: `edges` (layers + 1,), ascending; `thresholds` (n,).
    """

    edges: NDArray[np.int64]
    thresholds: NDArray[np.float32]

    @classmethod
    def of(
        cls, sizes: Sequence[int], dim: int, thresholds: NDArray[np.floating] | Matrix
    ) -> "Layers":
        """Layers of so many columns each, in their order; one of all columns, if none is named.

        Raises: ValueError, unless the sizes add up to `dim`.
        """
        edges = np.cumsum([0, *(sizes or [dim])], dtype=np.int64)
        if edges[-1] != dim:
            raise ValueError(f"layers of {edges[-1]} columns in all do not fit rows of {dim}")
        return cls(edges, np.ascontiguousarray(thresholds, dtype=np.float32))

    def pieces(self, start: int, length: int) -> list[tuple[int, int, int]]:
        """The layers of the columns from `start` on: each's number, and its begin and end there."""
        stop = start + length
        first = int(np.searchsorted(self.edges, start, side="right")) - 1
        found, layers = [], range(max(0, first), len(self.edges) - 1)
        for layer in layers:
            if self.edges[layer] >= stop:
                break
            low, high = max(start, self.edges[layer]), min(stop, self.edges[layer + 1])
            if low < high:
                found.append((layer, int(low) - start, int(high) - start))
        return found

    def survey(self, addresses: Addresses, start: int, length: int) -> Matrix:
        """What is known of the rows' columns from `start` on, which `addresses` point at.

        That is, of each row in each layer: the sum of all squares, that of the large values', and
        how many of these are positive and negative.
        Shapes: (layers, n, 4).
        """
        from fedplat.aggregators.layer_kernel import KNOWN, add_known  # late: it starts a compiler

        found = np.zeros((len(self.edges) - 1, len(addresses), KNOWN))
        for layer, low, high in self.pieces(start, length):
            add_known(addresses, low, high - low, self.thresholds, found[layer])
        return found
