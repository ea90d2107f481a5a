"""No entropy coding: everything at fixed width."""

from dataclasses import dataclass
from typing import ClassVar

from fedplat.codecs.entropy.container import Alphabet, Container
from fedplat.codecs.entropy.letters import Packed
from fedplat.codecs.entropy.numbers import Float32
from fedplat.codecs.entropy.places import Plain
from fedplat.codecs.packet import Form, Packet
from fedplat.params import Layout


@dataclass(frozen=True, slots=True)
class Raw:
    """Positions in ⌈log2 n⌉ bits or as a bitmap, symbols at their alphabet's size, float32 values.

    Guarantees: packed symbols take at most 1.01 · log2 3 bits each, if there are three.
    Raises: CorruptPayloadError from `read`, and nothing else.
    """

    name: ClassVar[str] = "raw"

    def write(self, packet: Packet, form: Form) -> bytes:
        return _CONTAINER.write(packet, form)

    def read(self, payload: memoryview, layout: Layout, form: Form) -> Packet:
        return _CONTAINER.read(payload, layout, form)


def _few(count: int, dim: int, alphabet: Alphabet) -> bool:
    """Where positions and nonzero symbols take less than all symbols."""
    lowest, highest = alphabet
    nonzero = Packed().size(count, (lowest, highest - 1))
    return Plain().size(count, dim) + nonzero < Packed().size(dim, alphabet)


_CONTAINER = Container(Plain(), Packed(), Float32(), _few)
