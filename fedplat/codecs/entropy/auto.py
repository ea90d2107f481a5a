"""The shortest of what several coders write."""

from dataclasses import dataclass
from typing import ClassVar

from fedplat.codecs.entropy.container import first_byte
from fedplat.codecs.entropy.context import Context
from fedplat.codecs.entropy.pco import Pco
from fedplat.codecs.entropy.raw import Raw
from fedplat.codecs.entropy.rice import Rice
from fedplat.codecs.packet import Form, Packet
from fedplat.codecs.stage import Entropy
from fedplat.params import Layout

CODERS: tuple[Entropy, ...] = (Raw(), Pco(), Rice(), Context())  # their order is on the wire


@dataclass(frozen=True, slots=True)
class Auto:
    """A byte that names a coder, and what it wrote: the shortest, of equals the first.

    Takes as long as all coders together: it chooses by size, never by time.

    Raises: CorruptPayloadError from `read`, and nothing else.
    """

    name: ClassVar[str] = "auto"

    def write(self, packet: Packet, form: Form) -> bytes:
        best, shortest = 0, CODERS[0].write(packet, form)
        for index, coder in enumerate(CODERS[1:], start=1):
            payload = coder.write(packet, form)
            if len(payload) < len(shortest):
                best, shortest = index, payload
        return bytes([best]) + shortest

    def read(self, payload: memoryview, layout: Layout, form: Form) -> Packet:
        index, rest = first_byte(payload, most=len(CODERS) - 1)
        return CODERS[index].read(rest, layout, form)
