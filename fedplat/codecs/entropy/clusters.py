"""FedZip's view of a map: for every tensor and every cluster but the majority, its addresses.

The head has, tensor by tensor, the number of clusters, and for each its symbol and its size; all
addresses follow.  The symbol 0 is left out of a map.  Where only some positions have a symbol, no
cluster is left out; where they are drawn from a seed, addresses count among those.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from fedplat.codecs import varint
from fedplat.codecs.entropy import container
from fedplat.codecs.entropy.container import Container
from fedplat.codecs.entropy.letters import Packed
from fedplat.codecs.entropy.numbers import Float32
from fedplat.codecs.entropy.places import Plain
from fedplat.codecs.kernels import marking
from fedplat.codecs.packet import Form, Packet, Positions, Symbols, tensor_edges
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout

_DENSE = Container(Plain(), Packed(), Float32(), container.never)


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Each cluster's symbol and size, and where its tensor starts and how long it is.

    Shapes: all (clusters,).
    """

    symbols: Positions
    sizes: Positions
    starts: Positions
    spans: Positions

    @property
    def total(self) -> int:
        return int(self.sizes.sum())

    def each(self, numbers: Positions) -> Positions:
        """A cluster's number for each of its addresses.  Shapes: (clusters,) → (total,)."""
        return np.repeat(numbers, self.sizes)

    def firsts(self) -> Positions:
        """Where, among all addresses, each cluster begins."""
        return np.cumsum(self.sizes) - self.sizes


class AddressCoder(Protocol):
    """How the addresses of all clusters, ascending within each, are written."""

    def write(self, addresses: Positions, clusters: Clusters) -> bytes: ...

    def read(self, payload: memoryview, clusters: Clusters) -> Positions:
        """Raises: CorruptPayloadError, unless `payload` is just `clusters.total` numbers."""


def write(packet: Packet, form: Form, coder: AddressCoder) -> bytes:
    """Count (if drawn), size of the head, head, addresses; values, if there are any, as float32."""
    if form.alphabet is None and form.where != "some":
        return _DENSE.write(packet, form)
    entries = _entries(packet, form)
    positions, symbols = container.placed(entries), entries.letters
    count = len(packet.numbers if packet.symbols is None else packet.letters)
    edges = _edges(packet.layout, form, count)
    tensors = np.searchsorted(edges, positions, side="right") - 1
    order = np.lexsort((symbols, tensors))  # stable: positions ascend within each cluster
    clusters, head = _told(tensors[order], symbols[order], edges, _lowest(form))
    addresses = positions[order] - clusters.each(clusters.starts)
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
    kept, symbols = _scattered(coder.read(addresses, clusters), clusters, count)
    if form.alphabet is None:
        return Packet(layout, values=Float32().read(rest, len(kept)), positions=kept)
    if len(rest):
        raise CorruptPayloadError(reason=f"{len(rest)} bytes behind the last address")
    if form.where == "some":
        return Packet(layout, symbols=symbols[kept], positions=kept)
    if form.where == "drawn":
        return Packet(layout, symbols=symbols)
    if form.zeros and 4 * len(kept) <= layout.dim:
        return Packet(layout, symbols=symbols[kept], positions=kept)
    return Packet(layout, symbols=symbols)


def _entries(packet: Packet, form: Form) -> Packet:
    """The symbols that are written, with positions (if drawn, among those drawn)."""
    if packet.symbols is None:
        nothing = np.zeros(len(packet.numbers), dtype=np.int16)
        return Packet(packet.layout, symbols=nothing, positions=container.placed(packet))
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
    clusters = Clusters(
        symbols[firsts].astype(np.int64), sizes, edges[mine], edges[mine + 1] - edges[mine]
    )
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
    rows: list[tuple[int, int, int, int]] = []
    for start, stop in pairwise(edges.tolist()):
        number, head = varint.read(head, most=min(stop - start, highest - lowest + 1))
        before, left = lowest - 1, stop - start
        for _ in range(number):
            rank, head = varint.read(head, most=highest - lowest)
            size, head = varint.read(head, most=left)
            symbol, left = lowest + rank, left - size
            if not size or symbol <= before or (not symbol and form.where != "some"):
                raise CorruptPayloadError(reason=f"a cluster of {size} of the symbol {symbol}")
            rows.append((symbol, size, start, stop - start))
            before = symbol
    if len(head):
        raise CorruptPayloadError(reason=f"{len(head)} bytes behind the last cluster")
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return Clusters(columns[0], columns[1], columns[2], columns[3])


def _scattered(addresses: Positions, clusters: Clusters, count: int) -> tuple[Positions, Symbols]:
    """Where there are symbols, ascending, and a map of them all.

    Raises: CorruptPayloadError, unless addresses ascend in each cluster, lie in its tensor, and
    none stands twice.
    """
    taken, symbols = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.int16)
    columns = (clusters.symbols, clusters.sizes, clusters.starts, clusters.spans)
    if not marking.mark(addresses, columns, taken, symbols):
        raise CorruptPayloadError(reason="addresses that do not ascend, or stand twice")
    return np.flatnonzero(taken), symbols
