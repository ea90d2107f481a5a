"""FedZip's second and third encoding: tables of addresses, and of their differences."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedplat.codecs.entropy import clusters
from fedplat.codecs.entropy.clusters import Clusters, Written
from fedplat.codecs.entropy.container import section, sized
from fedplat.codecs.entropy.huffman import Prefix
from fedplat.codecs.entropy.places import exactly
from fedplat.codecs.kernels import bits
from fedplat.codecs.packet import Form, Packet, Positions
from fedplat.params import Layout


@dataclass(frozen=True, slots=True)
class Addresses:
    """Every address in as many bits as its tensor's size needs; FedZip's "address table".

    Guarantees: lossless, unlike FedZip's program, which only counts bits.
    Raises: CorruptPayloadError from `read`, and nothing else.
    Source: Malekijoo et al. 2021, "FedZip", arXiv:2102.01593.  Deviates: ⌈log2 n⌉ bits in place of
    27, and it says which cluster is which and how large.
    """

    name: ClassVar[str] = "addresses"

    def write(self, packet: Packet, form: Form) -> bytes:
        return clusters.write(packet, form, FixedWidth())

    def read(self, payload: memoryview, layout: Layout, form: Form) -> Packet:
        return clusters.read(payload, layout, form, FixedWidth())


@dataclass(frozen=True, slots=True)
class Differences:
    """Differences of addresses in as many bits as each needs; FedZip's "difference of addresses".

    Guarantees: lossless, unlike FedZip's program, which only counts bits.
    Raises: CorruptPayloadError from `read`, and nothing else.
    Source: Malekijoo et al. 2021, "FedZip", arXiv:2102.01593.  Deviates: the bits of a difference
    alone do not say where it ends; their number is written as a Huffman code, and in exchange the
    highest bit, always 1, is not.
    """

    name: ClassVar[str] = "differences"

    def write(self, packet: Packet, form: Form) -> bytes:
        return clusters.write(packet, form, OwnWidth())

    def read(self, payload: memoryview, layout: Layout, form: Form) -> Packet:
        return clusters.read(payload, layout, form, OwnWidth())


@dataclass(frozen=True, slots=True)
class FixedWidth:
    """⌈log2 n⌉ bits for each address in a tensor of n."""

    def write(self, addresses: Positions, clusters: Clusters) -> bytes:
        return bits.pack_each(addresses, np.repeat(_widths(clusters), clusters.counts))

    def read(self, payload: memoryview, clusters: Clusters) -> Written:
        widths = _widths(clusters)
        exactly(payload, (int(widths @ clusters.counts) + 7) // 8)
        return Written(payload, widths, differences=False)


@dataclass(frozen=True, slots=True)
class OwnWidth:
    """The bit lengths of all differences as Huffman codes, then their bits below the highest.

    A cluster's first difference is its first address + 1.
    """

    def write(self, addresses: Positions, clusters: Clusters) -> bytes:
        differences = np.diff(addresses, prepend=-1)
        differences[clusters.firsts()] = addresses[clusters.firsts()] + 1
        lengths = bit_lengths(differences)
        below = differences - (1 << (lengths.astype(np.int64) - 1))
        longest = _longest(clusters)
        codes = Prefix().write(lengths.astype(np.int16), (1, longest))
        return sized(codes) + bits.pack_each(below, lengths - np.uint8(1))

    def read(self, payload: memoryview, clusters: Clusters) -> Written:
        codes, rest = section(payload)
        widths = Prefix().read(codes, clusters.total, (1, _longest(clusters))).astype(np.uint8)
        widths -= np.uint8(1)
        exactly(rest, (int(widths.sum(dtype=np.int64)) + 7) // 8)
        return Written(rest, widths, differences=True)


def bit_lengths(numbers: Positions) -> NDArray[np.uint8]:
    """⌊log2 n⌋ + 1 of numbers from 1 to 2^53."""
    exponents = np.frexp(numbers.astype(np.float64))[1]  # exact: n = m · 2^e with 1/2 ≤ m < 1
    return exponents.astype(np.uint8)


def _widths(clusters: Clusters) -> NDArray[np.uint8]:
    """⌈log2 n⌉ of each tensor."""
    each = [max(0, span - 1).bit_length() for span in clusters.spans.tolist()]
    return np.array(each, dtype=np.uint8)


def _longest(clusters: Clusters) -> int:
    return int(clusters.spans[clusters.counts > 0].max(initial=1)).bit_length()
