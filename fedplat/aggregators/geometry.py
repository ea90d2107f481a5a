"""How rows lie to one another: all that most robust rules look at, whatever the dimension."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Geometry:
    """The inner products of n rows, and of these with a reference row, where a rule has one.

    `reference` has the n products with the reference and, last, its own square; None: there is
    none.  `sample` has some columns of the rows as they are, and `layers` what is known of the rows
    in every layer (see `kinds.ALL`), for rules that ask for them.
    Shapes: `gram` (n, n), `reference` (n + 1,), `sample` (n, columns), `layers` (layers, n, 4).
    """

    gram: Float64[np.ndarray, "rows rows"]
    reference: Float64[np.ndarray, " products"] | None = None
    sample: NDArray[Any] | None = None
    layers: Matrix | None = None

    def __len__(self) -> int:
        return len(self.gram)

    @cached_property
    def norms(self) -> Matrix:
        """The rows' lengths.  Shapes: (n,)."""
        norms: Matrix = np.sqrt(np.maximum(np.diagonal(self.gram), 0))
        return norms

    @cached_property
    def squared_distances(self) -> Matrix:
        """Between all rows; exactly 0 on the diagonal.  Shapes: (n, n)."""
        squares = np.diagonal(self.gram)
        found: Matrix = np.maximum(squares[:, None] + squares[None, :] - 2 * self.gram, 0)
        np.fill_diagonal(found, 0)
        return found

    def mixed(self, mixing: Matrix) -> "Geometry":
        """That of the rows' sums by `mixing`.  Shapes: `mixing` (m, n)."""
        gram = mixing @ self.gram @ mixing.T
        reference, sample = self.reference, self.sample
        if reference is not None:
            reference = np.concatenate([mixing @ reference[:-1], reference[-1:]])
        return Geometry((gram + gram.T) / 2, reference, None if sample is None else mixing @ sample)

    def squared_distances_to(self, weights: Matrix) -> Matrix:
        """From each row to the rows' sum by `weights`.  Shapes: `weights` (n,) → (n,)."""
        products = self.gram @ weights
        squares = np.diagonal(self.gram) - 2 * products + weights @ products
        found: Matrix = np.maximum(squares, 0)
        return found
