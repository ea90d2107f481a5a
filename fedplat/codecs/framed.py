"""The codec that a federation uses: a body in frame v1."""

from dataclasses import dataclass
from functools import lru_cache

import torch

from fedplat.codecs import finite, frame
from fedplat.codecs.chain import Chain
from fedplat.codecs.marks import Marks
from fedplat.codecs.packet import Packet, put
from fedplat.codecs.stage import Body, Traits, spec
from fedplat.errors import DivergenceError
from fedplat.params import Layout, Vector, aligned
from fedplat.protocols import Sparse, Stamp
from fedplat.types import State, Tensors


@dataclass(frozen=True)
class Framed:
    """Writes a body behind the header of `frame`, and reads it again.

    Guarantees: whoever reads knows codec, model, base and round of a frame before it decodes, and
    that no bit was altered; decoding allocates no more than the model's size allows.
    Raises: CorruptPayloadError from all that reads, whatever the bytes are.
    """

    body: Body

    @property
    def spec(self) -> str:
        """What both sides must agree on."""
        return spec(self.body)

    @property
    def traits(self) -> Traits:
        return self.body.traits

    def init(self, layout: Layout) -> State:
        return self.body.init(layout)

    def encode(
        self, update: Vector, layout: Layout, state: State, stamp: Stamp
    ) -> tuple[bytes, State]:
        values = update.detach().contiguous().numpy()
        if self.traits.lossy and not finite.are_all(values):
            raise DivergenceError(round_id=stamp.round_id, client="", what="update", step=0)
        packet = Packet(layout, values=values)
        body, following = self.body.pack(packet, state, stamp.seed)
        return frame.write(_kind(self.spec, layout), stamp, body), following

    def decode(self, payload: bytes | memoryview, layout: Layout) -> Vector:
        return _vector(self._unpacked(payload, layout))

    def decode_sparse(self, payload: bytes | memoryview, layout: Layout) -> Vector | Sparse:
        """What `decode` gives; sparse where positions are few.

        Guarantees: where an update has no position, what is folded keeps its bits: a vector has -0
        there, the one number that leaves every other, 0 and -0 too, as it is when it is added.
        """
        packet = self._unpacked(payload, layout)
        if packet.positions is None or isinstance(packet.positions, Marks):
            return _vector(packet, absent=-0.0)
        positions = torch.from_numpy(packet.positions)
        return Sparse(layout.dim, positions, torch.from_numpy(packet.numbers))

    def stamp(self, payload: bytes | memoryview, layout: Layout) -> Stamp:
        """What the frame says that it is of."""
        return frame.read(payload, _kind(self.spec, layout))[0]

    def shared(self, layout: Layout) -> Tensors:
        return self.body.shared(layout) if isinstance(self.body, Chain) else {}

    def proposed(self, payload: bytes | memoryview, layout: Layout) -> Tensors:
        if not isinstance(self.body, Chain):
            return {}
        _, body = frame.read(payload, _kind(self.spec, layout))
        return self.body.proposed(body, layout)

    def _unpacked(self, payload: bytes | memoryview, layout: Layout) -> Packet:
        _, body = frame.read(payload, _kind(self.spec, layout))
        return self.body.unpack(body, layout)


def _vector(packet: Packet, absent: float = 0.0) -> Vector:
    """All values, and `absent` where the packet has none."""
    vector = aligned(packet.layout.dim)
    values = vector.numpy()
    if packet.positions is None:
        values[:] = packet.dense()
    else:
        values.fill(absent)
        put(packet.numbers, packet.positions, values)
    return vector


@lru_cache(maxsize=64)
def _kind(codec: str, layout: Layout) -> frame.Kind:
    return frame.Kind.of(codec, layout)
