"""The lossless codec: an update's float32 values as they are."""

from dataclasses import dataclass

from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout, Vector, aligned, borrowed, encode_tensors
from fedplat.protocols import Stamp
from fedplat.types import State

WIDTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Float32:
    """Writes each value as four little-endian bytes, and nothing else: no header, no state.

    Guarantees: decodes bit-exactly, signs of zeros and bits of NaNs included, from any offset in
    memory; a decoded vector starts on 64 bytes; a frame takes 4 · dim bytes.
    Raises: CorruptPayloadError from `decode`, if the frame has another length.

    >>> import torch
    >>> Float32().encode(torch.tensor([1.0, -0.0]), Layout(()), State(), Stamp())[0].hex()
    '0000803f00000080'
    """

    def init(self, layout: Layout) -> State:
        return State()

    def encode(
        self, update: Vector, layout: Layout, state: State, stamp: Stamp
    ) -> tuple[bytes, State]:
        return encode_tensors([update]), state

    def decode(self, payload: bytes | memoryview, layout: Layout) -> Vector:
        return aligned(layout.dim).copy_(self.decode_columns(payload, layout, 0, layout.dim))

    def decode_columns(
        self, payload: bytes | memoryview, layout: Layout, start: int, stop: int
    ) -> Vector:
        """What `decode` gives from `start` to `stop`, in the frame's own memory: read-only.

        Raises: CorruptPayloadError, if the whole frame has another length than the layout's.
        """
        if len(payload) != WIDTH_BYTES * layout.dim:
            size = WIDTH_BYTES * layout.dim
            raise CorruptPayloadError(reason=f"a frame takes {size} bytes, got {len(payload)}")
        return borrowed(payload, start, stop)
