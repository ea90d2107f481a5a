"""The bits that FedZip's own code would count for an update, beside the frame that was made."""

from collections.abc import Mapping

import numpy as np

from benchmarks.compressing.observed import Claims
from fedplat.codecs import varint
from fedplat.codecs.chain import Chain
from fedplat.codecs.fedzip_claims import Encoding, claimed_bits
from fedplat.codecs.frame import HEADER_BYTES
from fedplat.codecs.framed import Framed
from fedplat.codecs.packet import Packet, Symbols, tensor_edges
from fedplat.params import Layout
from fedplat.protocols import Codec

ENCODINGS: tuple[Encoding, ...] = ("huffman", "addresses", "differences")


def fedzip_claims(codec: Codec) -> Claims:
    """For frames of `codec`, a chain that ends in symbols.

    Raises: ValueError, if it is none.
    """
    if not (isinstance(codec, Framed) and isinstance(codec.body, Chain)):
        raise ValueError("only a framed chain has symbols to count")
    chain = codec.body

    def claims(frame: bytes, layout: Layout) -> Mapping[str, int]:
        symbols = _symbols(chain, frame, layout)
        edges = tensor_edges(layout)
        return {name: claimed_bits(symbols, edges, name) for name in ENCODINGS}

    return claims


def _symbols(chain: Chain, frame: bytes, layout: Layout) -> Symbols:
    """The cluster of every value, read back from the frame."""
    body = memoryview(frame)[HEADER_BYTES:]
    size, rest = varint.read(body, most=len(body))
    return _dense(chain.entropy.read(rest[size:], layout, chain.form))


def _dense(packet: Packet) -> Symbols:
    if packet.positions is None:
        return packet.letters
    symbols = np.zeros(packet.layout.dim, dtype=np.int16)
    symbols[packet.positions] = packet.letters
    return symbols
