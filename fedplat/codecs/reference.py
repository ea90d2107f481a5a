"""The i.i.d. reference: what a packet would take if its entries were drawn independently.

No bound: entries of real updates stand in rows and columns, and a coder that sees that takes less.
"""

from itertools import pairwise
from math import lgamma, log

import numpy as np
from numpy.typing import NDArray

from fedplat.codecs.packet import Form, Packet, tensor_edges


def iid_reference_bits(packet: Packet, form: Form) -> float:
    """Σ over tensors of log2 C(n, k) + k·H, and all bits of the side.

    Of a tensor's n entries k are not symbol 0, or have a position; H is the empirical entropy of
    these, in bits.  Positions that follow from a seed cost nothing.  A float32 value counts as four
    independent bytes.  No cost of telling the distributions is in it.

    >>> from fedplat.params import Layout
    >>> iid_reference_bits(Packet(Layout(()), symbols=np.empty(0, np.int16)), Form())
    0.0
    """
    bits = 8.0 * len(packet.side)
    totals = np.diff(tensor_edges(packet.layout)).tolist()
    pieces = list(pairwise(packet.edges().tolist()))
    for total, (start, stop) in zip(totals, pieces, strict=True):
        placed = packet.positions is not None
        if packet.symbols is None:
            entries = _bytes_bits(packet.numbers[start:stop])
            count = stop - start
        else:
            letters = packet.symbols[start:stop]
            letters = letters if placed else letters[letters != 0]
            entries, count = _bits(letters), len(letters)
        where = 0.0 if form.where == "drawn" else _choices_bits(total, count)
        bits += where + entries
    return bits


def _choices_bits(total: int, count: int) -> float:
    """log2 of the number of ways to choose `count` of `total`."""
    ways = lgamma(total + 1) - lgamma(count + 1) - lgamma(total - count + 1)
    return ways / log(2)


def _bits(letters: NDArray[np.integer]) -> float:
    """Their number times their empirical entropy."""
    _, counts = np.unique(letters, return_counts=True)
    return float(np.sum(counts * np.log2(len(letters) / counts))) if len(letters) else 0.0


def _bytes_bits(values: NDArray[np.float32]) -> float:
    planes = np.ascontiguousarray(values).view(np.uint8).reshape(-1, 4)
    return sum(_bits(planes[:, index]) for index in range(4))
