"""FedZip's view of a map: for every tensor and every cluster but the majority, its addresses.

The head has, tensor by tensor, the number of clusters, and for each its symbol and its size; all
addresses follow.  The symbol 0 is left out of a map.  Where only some positions have a symbol, no
cluster is left out; where they are drawn from a seed, addresses count among those.
"""

from array import array
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fedplat.codecs import varint
from fedplat.codecs.entropy import container
from fedplat.codecs.entropy.container import Container
from fedplat.codecs.entropy.letters import Packed
from fedplat.codecs.entropy.numbers import Float32
from fedplat.codecs.entropy.places import Plain
from fedplat.codecs.kernels import marking
from fedplat.codecs.marks import Marks, many
from fedplat.codecs.packet import Form, Packet, Positions, Symbols, tensor_edges
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout

_DENSE = Container(Plain(), Packed(), Float32(), container.never)


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Where each tensor starts and the last one ends, and how many clusters and addresses it has;
    each cluster's symbol and size.

    Shapes: `edges` (tensors + 1,), `numbers`, `counts` (tensors,), `symbols`, `sizes` (clusters,).
    """

    edges: Positions
    numbers: Positions
    counts: Positions
    symbols: Symbols
    sizes: NDArray[np.signedinteger]

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    @property
    def spans(self) -> Positions:
        """How long each tensor is.  Shapes: (tensors,)."""
        return np.diff(self.edges)

    def firsts(self) -> Positions:
        """Where, among all addresses, each cluster begins."""
        ends: Positions = np.cumsum(self.sizes, dtype=np.int64)
        return ends - self.sizes


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """Addresses as `marking` reads them: their bits, and how many each has."""

    packed: memoryview
    widths: NDArray[np.uint8]
    differences: bool


class AddressCoder(Protocol):
    """How the addresses of all clusters, ascending within each, are written."""

    def write(self, addresses: Positions, clusters: Clusters) -> bytes: ...

    def read(self, payload: memoryview, clusters: Clusters) -> Written:
        """Raises: CorruptPayloadError, unless `payload` has the size of all numbers."""


def write(packet: Packet, form: Form, coder: AddressCoder) -> bytes:
    """Count (if drawn), size of the head, head, addresses; values, if there are any, as float32."""
    if form.alphabet is None and form.where != "some":
        return _DENSE.write(packet, form)
    entries = _entries(packet, form)
    positions, symbols = entries.places(), entries.letters
    count = len(packet.numbers if packet.symbols is None else packet.letters)
    edges = _edges(packet.layout, form, count)
    tensors = np.searchsorted(edges, positions, side="right") - 1
    order = np.lexsort((symbols, tensors))  # stable: positions ascend within each cluster
    tensors = tensors[order]
    clusters, head = _told(tensors, symbols[order], edges, _lowest(form))
    addresses = positions[order] - edges[tensors]
    start = varint.write(count) if form.where == "drawn" else b""
    body = start + container.sized(head) + container.sized(coder.write(addresses, clusters))
    return body if packet.symbols is not None else body + Float32().write(packet.numbers)


def read(payload: memoryview, layout: Layout, form: Form, coder: AddressCoder) -> Packet:
    """What was written.  Raises: CorruptPayloadError."""
    if form.alphabet is None and form.where != "some":
        return _DENSE.read(payload, layout, form)
    count, rest = layout.dim, payload
    if form.where == "drawn":
        count, rest = varint.read(rest, most=layout.dim)
    head, rest = container.section(rest)
    clusters = _heard(head, _edges(layout, form, count), form)
    addresses, rest = container.section(rest)
    if len(rest) and form.alphabet is not None:
        raise CorruptPayloadError(reason=f"{len(rest)} bytes behind the last address")
    few = form.where == "all" and form.zeros and not many(clusters.total, layout.dim)
    if form.where != "some" and not few:
        _, symbols = _scattered(coder.read(addresses, clusters), clusters, count, form)
        return Packet(layout, symbols=symbols)
    kept, symbols = _gathered(coder.read(addresses, clusters), clusters, count, form)
    if form.alphabet is None:
        return Packet(layout, values=Float32().read(rest, clusters.total), positions=kept)
    return Packet(layout, symbols=symbols, positions=kept)


def _entries(packet: Packet, form: Form) -> Packet:
    """The symbols that are written, with positions (if drawn, among those drawn)."""
    if packet.symbols is None:
        nothing = np.zeros(len(packet.numbers), dtype=np.int16)
        return Packet(packet.layout, symbols=nothing, positions=packet.places())
    if form.where == "some":
        return container.nonzero(packet) if form.zeros else packet
    return container.nonzero(Packet(packet.layout, symbols=packet.symbols))


def _edges(layout: Layout, form: Form, count: int) -> Positions:
    return np.array([0, count]) if form.where == "drawn" else tensor_edges(layout)


def _lowest(form: Form) -> int:
    return 0 if form.alphabet is None else form.alphabet[0]


def _told(
    tensors: Positions, symbols: Symbols, edges: Positions, lowest: int
) -> tuple[Clusters, bytes]:
    """The clusters of entries that are ordered by tensor and symbol, and the head that says so."""
    other = (np.diff(tensors, prepend=-1) != 0) | (np.diff(symbols, prepend=0) != 0)
    other[:1] = True
    firsts = np.flatnonzero(other)
    mine, sizes = tensors[firsts], np.diff(firsts, append=len(tensors))
    number = len(edges) - 1
    numbers, counts = (np.bincount(one, minlength=number) for one in (mine, tensors))
    clusters = Clusters(edges, numbers, counts, symbols[firsts], sizes)
    told = [
        varint.write(symbol - lowest) + varint.write(size)
        for symbol, size in zip(clusters.symbols.tolist(), sizes.tolist(), strict=True)
    ]
    parts: list[bytes] = []
    bounds = np.searchsorted(mine, np.arange(len(edges))).tolist()
    for start, stop in pairwise(bounds):
        parts += [varint.write(stop - start), *told[start:stop]]
    return clusters, b"".join(parts)


def _heard(head: memoryview, edges: Positions, form: Form) -> Clusters:
    """What the head says.  Raises: CorruptPayloadError."""
    lowest, highest = form.alphabet or (0, 0)
    dim, numbers, counts = int(edges[-1]), array("q"), array("q")
    symbols, sizes = array("h"), array("i" if dim <= np.iinfo(np.int32).max else "q")
    for start, stop in pairwise(edges.tolist()):
        number, head = varint.read(head, most=min(stop - start, highest - lowest + 1))
        before, left = lowest - 1, stop - start
        for _ in range(number):
            rank, head = varint.read(head, most=highest - lowest)
            size, head = varint.read(head, most=left)
            symbol, left = lowest + rank, left - size
            if not size or symbol <= before or (not symbol and form.where != "some"):
                raise CorruptPayloadError(reason=f"a cluster of {size} of the symbol {symbol}")
            symbols.append(symbol)
            sizes.append(size)
            before = symbol
        numbers.append(number)
        counts.append(stop - start - left)
    if len(head):
        raise CorruptPayloadError(reason=f"{len(head)} bytes behind the last cluster")
    return Clusters(
        edges,
        np.frombuffer(numbers, dtype=np.int64),
        np.frombuffer(counts, dtype=np.int64),
        np.frombuffer(symbols, dtype=np.int16),
        np.frombuffer(sizes, dtype=f"i{sizes.itemsize}"),
    )


def _gathered(
    written: Written, clusters: Clusters, count: int, form: Form
) -> tuple[Positions | Marks, Symbols]:
    """Where there are symbols, and which, ascending.  Raises: CorruptPayloadError."""
    taken, symbols = _scattered(written, clusters, count, form)
    kept = Marks.where(taken) if many(clusters.total, count) else np.flatnonzero(taken)
    return kept, symbols[taken] if len(symbols) else symbols


def _scattered(
    written: Written, clusters: Clusters, count: int, form: Form
) -> tuple[NDArray[np.bool_], Symbols]:
    """Maps of whether there is a symbol, and of which (empty, where values follow instead).

    Raises: CorruptPayloadError, unless addresses ascend in each cluster, lie in its tensor, and
    none stands twice.
    """
    taken = np.zeros(count, dtype=np.bool_)
    symbols = np.zeros(0 if form.alphabet is None else count, dtype=np.int16)
    packed = np.frombuffer(written.packed, dtype=np.uint8)
    columns = (clusters.edges, clusters.numbers, clusters.symbols, clusters.sizes)
    if not marking.mark(packed, written.widths, written.differences, columns, taken, symbols):
        raise CorruptPayloadError(reason="addresses that do not ascend, or stand twice")
    return taken, symbols
