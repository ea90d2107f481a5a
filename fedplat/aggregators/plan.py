"""What a robust rule does with every block of columns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedplat import rng
from fedplat.aggregators import kinds, network
from fedplat.aggregators.geometry import Matrix
from fedplat.aggregators.layerwise import Layers
from fedplat.aggregators.rules import Window

Rows = NDArray[np.float32]
Counts = NDArray[np.int64]
Addresses = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What is to be done with every block of columns, once the rows' geometry is known.

    Either `weights` of the rows, those of each layer where there are `layers`; or a `window` of
    each column's values, of rows that are mixed first where there is a `mixing`.  Noise of standard
    deviation `noise` is added, drawn by `seed`, for each block from a stream of its own.
    Shapes: `weights` (n,), (n + 1,) with a reference row, or (layers, n); `mixing` (m, n).
    """

    weights: Matrix | None = None
    mixing: Matrix | None = None
    window: Window | None = None
    layers: Layers | None = None
    noise: float = 0.0
    seed: int = 0

    def block(self, addresses: Addresses, start: int, out: Rows, counts: Counts) -> None:
        """Fills `out` from the rows' columns from `start` on, which `addresses` point at.

        `counts` are added how often each (mixed) row's value was one of those that were averaged.
        Shapes: `addresses` (n,), or (n + 1,) with a reference row; `counts` (m,) or (n,).
        """
        if self.weights is None:
            self._columns(addresses, out, counts)
            return
        from fedplat.aggregators.mean_kernel import add_rows  # late: it starts a compiler

        total, pieces = np.zeros(len(out)), [(0, 0, len(out))]
        weights = np.atleast_2d(self.weights)
        if self.layers is not None:
            pieces = self.layers.pieces(start, len(out))
        for layer, low, high in pieces:
            some = np.flatnonzero(weights[layer])
            part = weights[layer, some]
            add_rows(total[low:high], addresses[some] + 4 * low, part)
        if self.noise:
            drawn = rng.numpy_generator(self.seed, "noise", start)
            total += self.noise * drawn.standard_normal(len(out))
        out[:] = total

    def _columns(self, addresses: Addresses, out: Rows, counts: Counts) -> None:
        if self.window is None:
            raise ValueError("a plan has weights or a window")
        from fedplat.aggregators.column_kernel import columns  # late: it starts a compiler

        mixing = np.empty((0, len(addresses))) if self.mixing is None else self.mixing
        n, window = len(mixing) or len(addresses), self.window
        first, last = 0, n
        if window.kind == kinds.TRIMMED:
            first, last = window.start, window.stop
        columns(
            addresses,
            np.ascontiguousarray(mixing),
            network.sorting(n, first, last),
            window.kind,
            window.start,
            window.stop,
            out,
            counts,
        )

    def influence(self, counts: Counts) -> Matrix:
        """Each row's share of what the aggregate is made of.  Shapes: (n,), sums to 1, or all 0.

        Of a columnwise rule: of the values that were averaged, by `counts` of all blocks.
        """
        if self.weights is not None:
            masses = np.abs(self.weights)
            return _shares(masses if self.layers is None else np.diff(self.layers.edges) @ masses)
        found = counts.astype(np.float64)
        return _shares(found if self.mixing is None else np.abs(self.mixing).T @ found)


def _shares(masses: Matrix) -> Matrix:
    total = float(masses.sum())
    return masses / total if total else masses
