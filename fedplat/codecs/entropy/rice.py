"""Golomb–Rice coded positions."""

from dataclasses import dataclass
from typing import ClassVar

from fedplat.codecs.entropy.container import Alphabet, Container
from fedplat.codecs.entropy.huffman import Prefix
from fedplat.codecs.entropy.letters import Packed, Shortest
from fedplat.codecs.entropy.numbers import Float32
from fedplat.codecs.entropy.places import Golomb
from fedplat.codecs.packet import Form, Packet
from fedplat.params import Layout


@dataclass(frozen=True, slots=True)
class Rice:
    """Gaps between positions as Golomb codes; symbols packed or as Huffman codes.

    Rice's codes are Golomb's for powers of two; here the parameter is the best of both kinds, as
    powers of two alone cost 1.4 % at a density of 1/10.

    Guarantees: positions take at most 1 % more than log2 C(n, k) bits if drawn uniformly.
    Raises: CorruptPayloadError from `read`, and nothing else.
    Source: Golomb 1966, "Run-length encodings"; Rice 1979; Sattler et al. 2019, Algorithm 3.
    arXiv:1903.02891
    """

    name: ClassVar[str] = "rice"

    def write(self, packet: Packet, form: Form) -> bytes:
        return _CONTAINER.write(packet, form)

    def read(self, payload: memoryview, layout: Layout, form: Form) -> Packet:
        return _CONTAINER.read(payload, layout, form)


def _few(count: int, dim: int, alphabet: Alphabet) -> bool:
    """From half of a map on, codes of all symbols take no more than gaps and nonzero symbols."""
    return 2 * count <= dim


_CONTAINER = Container(Golomb(), Shortest((Packed(), Prefix())), Float32(), _few)
