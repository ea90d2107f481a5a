"""The bits that FedZip's own program counts, for the report beside what was sent.

It writes no bytes.  Of its three counts only the second could be decoded: no prefix code gives
three symbols 2, 1 and 1 bits, and differences without their lengths can not be told apart.
Centroids, shapes and frames are not counted.
"""

from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Encoding = Literal["huffman", "addresses", "differences"]

CLUSTERS = 3  # what the program is written for
ADDRESS_BITS = 27
CODE_BITS = np.array([2, 1, 1])  # from the smallest cluster to the largest
WIDEST = 30  # bits of a difference; a longer one counts for nothing


def claimed_bits(symbols: NDArray[np.int16], edges: NDArray[np.int64], encoding: Encoding) -> int:
    """The bits of all tensors of a map of symbols, by the program's own arithmetic.

    "huffman": 2 bits for each member of the smallest cluster, 1 for all others.  "addresses": 27
    for each member of all clusters but the largest.  "differences": ⌊log2 d⌋ + 1 of each of their
    addresses' differences d, at least 1; the first is the address itself.

    Shapes: `symbols` (n,), `edges` (tensors + 1,), from 0 to n.
    Raises: ValueError, if a tensor has more than three clusters.
    Source: github.com/malekijoo/FedZip, deploy.py.  Deviates: clusters that are empty count 0
    (there the program fails), and of differences the largest cluster of each tensor is left out
    (there it prints the sums of all pairs).
    """
    tensors = [symbols[a:b] for a, b in pairwise(edges.tolist())]
    return sum(_of_tensor(tensor, encoding) for tensor in tensors)


def _of_tensor(symbols: NDArray[np.int16], encoding: Encoding) -> int:
    names, counts = np.unique(symbols, return_counts=True)
    if len(names) > CLUSTERS:
        raise ValueError(f"FedZip counts bits for 3 clusters a tensor, got {len(names)}")
    order = np.argsort(counts, kind="stable")
    ascending = np.concatenate([np.zeros(CLUSTERS - len(names), dtype=np.int64), counts[order]])
    if encoding == "huffman":
        return int(ascending @ CODE_BITS)
    if encoding == "addresses":
        return int(ascending[:-1].sum()) * ADDRESS_BITS
    return sum(_differences(np.flatnonzero(symbols == name)) for name in names[order[:-1]])


def _differences(addresses: NDArray[np.int64]) -> int:
    lengths = np.frexp(np.maximum(np.diff(addresses, prepend=0), 1).astype(np.float64))[1]
    return int(lengths[lengths <= WIDEST].sum())
