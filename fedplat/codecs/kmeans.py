"""Clustering: each value becomes the index of one of a few centroids."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from fedplat import check
from fedplat.codecs import ranges
from fedplat.codecs.kernels import clusters as kernel
from fedplat.codecs.packet import Form, Packet, Symbols, Values
from fedplat.codecs.ranges import Scope
from fedplat.codecs.stage import Memory, Traits
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout

MOST = 4096
BLOCK = 1 << 13  # symbols that are looked up together


@dataclass(frozen=True, slots=True)
class KMeans:
    """Makes values the index of the nearest of `clusters` centroids of their range.

    `method = "exact"`: exact on a histogram of cells, each at most 1 % as wide as its values are
    large, then Lloyd's iterations: on the cells, and one on the values; not exact on the values
    themselves.  Compared with sklearn's: `codec.kmeans.speedup_vs_sklearn`.
    `"lloyd"`: FedZip's own, from evenly spaced centroids (`init = "linspace"`, smallest to largest
    value), `iterations` times; the means of all but the middle cluster leave zeros out.  Of a
    sparse packet only what travels is clustered.

    Indices are by falling count: the commonest is 0.  It comes back as its centroid, which is
    seldom 0: FedZip's zeros too, so every weight is shifted a little.  The float32 centroids travel
    on the side.
    Raises: ValueError, if `clusters` is not in 1 … 4096, `iterations` not ≥ 1, a word unknown.
    Source: Malekijoo et al. 2021, "FedZip", quantisation with clustering (as in the authors'
    code: three clusters, four iterations).  arXiv:2102.01593  Exact: Wang and Song 2011,
    "Ckmeans.1d.dp", The R Journal 3/2, section 2.  Deviates: cells instead of sorted
    values, and where more than some thousand are occupied, runs of cells.
    """

    name: ClassVar[str] = "kmeans"
    clusters: int = 3
    method: Literal["exact", "lloyd"] = "exact"
    init: Literal["linspace"] = "linspace"
    iterations: int = 4
    scope: Scope = "tensor"
    block: int = 2048

    def __post_init__(self) -> None:
        check.whole(1, clusters=self.clusters, iterations=self.iterations)
        if self.clusters > MOST:
            raise ValueError(f"clusters must be <= {MOST}, got {self.clusters}")
        check.one_of(("exact", "lloyd"), method=self.method)
        check.one_of(("linspace",), init=self.init)
        ranges.refuse_scope(self.scope, self.block)

    @property
    def traits(self) -> Traits:
        return Traits(lossy=True, unbiased=False, linear=False, drops=True)

    def form(self, before: Form) -> Form:
        ranges.takes_values(self.name, self.scope, before)
        return Form(before.where, alphabet=(0, self.clusters - 1))

    def forward(self, packet: Packet, memory: Memory, seed: int) -> tuple[Packet, Memory]:
        values = np.ascontiguousarray(packet.numbers, dtype=np.float32)
        edges = ranges.edges(packet, self.scope, self.block)
        parts = [np.empty(0, dtype=np.int16)]
        centroids = np.zeros((len(edges) - 1, self.clusters), dtype=np.float32)
        for which, (start, stop) in enumerate(pairwise(edges)):
            if stop > start:
                symbols, found = self._clustered(values[start:stop])
                centroids[which, : len(found)] = found
                parts.append(symbols)
        symbols = parts[-1] if len(parts) <= 2 else np.concatenate(parts)  # a pass less, of one
        return packet.quantised(symbols, centroids.ravel()), {}

    def backward(self, packet: Packet, layout: Layout) -> Packet:
        count = len(ranges.sizes(layout, self.scope, self.block))
        centroids, packet = packet.popped(count * self.clusters)
        symbols, edges = packet.letters, ranges.edges(packet, self.scope, self.block)
        if len(symbols) and not 0 <= symbols.min() <= symbols.max() < self.clusters:
            raise CorruptPayloadError(reason=f"an index beyond {self.clusters} centroids")
        values: Values = np.empty(len(symbols), dtype=np.float32)
        tables = centroids.reshape(count, self.clusters)
        for table, (start, stop) in zip(tables, pairwise(edges.tolist()), strict=True):
            for first in range(start, stop, BLOCK):  # NumPy makes 8 bytes of each index
                last = min(first + BLOCK, stop)
                values[first:last] = table[symbols[first:last]]
        return packet.restored(values)

    def _clustered(self, values: Values) -> tuple[Symbols, NDArray[np.float64]]:
        """Indices by falling count, and their centroids."""
        if self.method == "exact":
            return kernel.optimal(values, self.clusters)
        return kernel.evenly_spaced(values, self.clusters, self.iterations)
