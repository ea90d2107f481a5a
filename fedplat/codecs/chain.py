"""A chain of stages with an entropy coder at its end."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from fedplat.codecs import stage, varint
from fedplat.codecs.packet import Form, Packet
from fedplat.codecs.stage import Entropy, Stage, Traits
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout
from fedplat.types import State, Tensors

SHARED = "shared"  # the memory that comes down from the coordinator


@dataclass(frozen=True)
class Chain:
    """Applies stages in their order, then writes bytes; a body, to be framed.

    The body: the size of the side (a varint), the side, what the entropy coder wrote.

    Guarantees: decodes to exactly what error feedback, if there is any, took for decoded.
    Raises: ValueError, if two stages can not follow one another.
    """

    name: ClassVar[str] = "chain"
    stages: tuple[Stage, ...]
    entropy: Entropy

    def __post_init__(self) -> None:
        _ = self.form
        if stage.sharing(self.stages) is None and _shared(self.init(Layout(()))):
            raise ValueError('the stage with scale = "shared" must be the last of its chain')

    @property
    def form(self) -> Form:
        """What the entropy coder is given."""
        return stage.forms(self.stages, Form())

    @property
    def traits(self) -> Traits:
        return stage.traits(self.stages)

    def init(self, layout: Layout) -> State:
        memories = stage.memories(self.stages, layout)
        return State({name: torch.from_numpy(value) for name, value in memories.items()})

    def pack(self, packet: Packet, state: State, seed: int) -> tuple[bytes, State]:
        memory = {name: tensor.numpy() for name, tensor in state.tensors.items()}
        packet, after = stage.forward(self.stages, packet, memory, seed)
        side = bytes(packet.side)
        body = b"".join([varint.write(len(side)), side, self.entropy.write(packet, self.form)])
        return body, State({name: torch.from_numpy(value) for name, value in after.items()})

    def shared(self, layout: Layout) -> Tensors:
        """The first values of what the coordinator sends down for all clients: zeros."""
        return _shared(self.init(layout))

    def proposed(self, payload: memoryview, layout: Layout) -> Tensors:
        """What a client would have them be.  Raises: CorruptPayloadError."""
        found = stage.sharing(self.stages)
        if found is None:
            return {}
        side, _ = _cut(payload)
        last = stage.layouts(self.stages, layout)[-1]
        numbers = found[1].proposed(Packet(last, side=side), last)
        return {f"{found[0]}{SHARED}": torch.from_numpy(numbers)}

    def unpack(self, payload: memoryview, layout: Layout) -> Packet:
        side, coded = _cut(payload)
        last = stage.layouts(self.stages, layout)[-1]
        read = self.entropy.read
        # symbols have no name here: they are gone once values have been made of them
        packet = stage.backward(
            self.stages, replace(read(coded, last, self.form), side=side), layout
        )
        if len(packet.side):
            raise CorruptPayloadError(
                reason=f"{len(packet.side)} bytes that no stage has asked for"
            )
        return packet


def _cut(payload: memoryview) -> tuple[memoryview, memoryview]:
    """The side, and what the entropy coder wrote."""
    size, rest = varint.read(payload, most=len(payload))
    if size > len(rest):
        raise CorruptPayloadError(reason=f"a side of {size} bytes, got {len(rest)}")
    return rest[:size], rest[size:]


def _shared(state: State) -> Tensors:
    named = state.tensors.items()
    return {name: value for name, value in named if name.rpartition(".")[2] == SHARED}
