"""The same updates for every arm: clients that agree on a direction, and liars who turn it round.

Imports NumPy alone, because it runs inside the peers' environments too.
"""

import numpy as np

SEED = 20265
AGREED = 0.5  # of the noise's standard deviation


def fill(rows: np.ndarray, liars: int) -> None:
    """Writes the clients' updates into `rows`, (n, d) float32; the last `liars` are the liars'.

    Clients' noise has different lengths, so that no choice between them is a close one.
    """
    n, dim = rows.shape
    lengths = 0.8 + 0.4 * _generator(1).permutation(n) / n
    agreed = np.float32(AGREED) * _generator(0).standard_normal(dim, dtype=np.float32)
    for client in range(n):
        _generator(2, client).standard_normal(dim, dtype=np.float32, out=rows[client])
        rows[client] *= np.float32(lengths[client])
        if client < n - liars:
            rows[client] += agreed
        else:
            rows[client] -= agreed


def updates(n: int, dim: int, liars: int) -> np.ndarray:
    """Shapes: (n, dim)."""
    rows = np.empty((n, dim), dtype=np.float32)
    fill(rows, liars)
    return rows


def _generator(*stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([SEED, *stream]))  # noqa: TID251
