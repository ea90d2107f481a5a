"""The cargo of the blobs: what a broadcast and an update look like as bytes.

Both sides know the model's layout, the algorithm and the codec from the scenario, so no name and
no shape travels, and a stranger's bytes have no say in how much memory is taken.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from fedplat.errors import CorruptPayloadError
from fedplat.params import (
    Layout,
    Params,
    Vector,
    decode_state,
    decode_tensors,
    encode_state,
    encode_tensors,
    raw_bytes,
)
from fedplat.protocols import (
    Algorithm,
    ClientResult,
    Codec,
    ColumnCodec,
    ServerState,
    SharingCodec,
    Sparse,
    SparseCodec,
    StampedCodec,
)
from fedplat.types import State, Tensors, TensorSpec

FLOAT32_BYTES = 4
HEADER_ROOM_BYTES = 1 << 20
OF_CODEC = "codec/"  # begins the names of what is a codec's, among an algorithm's tensors


@dataclass(frozen=True, slots=True, eq=False)
class DecodedUpdate:
    """A client's update as tensors.  Shapes as in `ClientResult`."""

    update: Vector
    beside: Tensors
    extras: Tensors


@dataclass(frozen=True)
class Cargo:
    """Encodes and decodes broadcasts, updates and server states of one scenario.

    A broadcast is the vector, the tensors beside it and what the algorithm sends down; an update is
    the tensors beside the vector, the algorithm's extras, then the codec's frame.  With `downlink`,
    who has an earlier broadcast may be sent the steps from it (`runtime.downlink`).
    """

    algorithm: Algorithm
    codec: Codec
    initial: Params
    downlink: Codec | None = None

    @cached_property
    def shared(self) -> Layout:
        """The layout that travels: the model without the tensors that stay with the clients."""
        return self.initial.layout.where(lambda spec: spec.role not in self.algorithm.personal)

    @cached_property
    def column_codec(self) -> ColumnCodec | None:
        """The codec, if it can decode some columns without the others."""
        return self.codec if isinstance(self.codec, ColumnCodec) else None

    @cached_property
    def first(self) -> ServerState:
        """The state that the federation starts from."""
        first = self.algorithm.init(self.initial.select(self.shared))
        return replace(first, down={**first.down, **self.told([])})

    def told(self, payloads: Iterable[bytes | memoryview], liars: int = 0) -> Tensors:
        """What the codec has the clients told after these updates: of each number the largest.

        Where there may be `liars`, as many of the largest are left out: what remains is no larger
        than some honest client's.  Zeros where there are no updates; nothing, where the codec's
        clients share nothing.
        Raises: CorruptPayloadError.
        """
        if not isinstance(self.codec, SharingCodec):
            return {}
        first = self.codec.shared(self.shared)
        largest = {name: numbers[None] for name, numbers in first.items()}
        for payload in payloads if largest else ():
            for name, numbers in self.codec.proposed(self.frame(payload), self.shared).items():
                both = torch.cat([largest[name], numbers[None]])
                largest[name] = both.sort(dim=0, descending=True).values[: liars + 1]
        last = {name: numbers[min(liars, len(numbers) - 1)] for name, numbers in largest.items()}
        return {OF_CODEC + name: numbers for name, numbers in last.items()}

    @cached_property
    def _broadcast_specs(self) -> tuple[TensorSpec, ...]:
        return (*self._params_specs, *_specs(self.first.down))

    @cached_property
    def _params_specs(self) -> tuple[TensorSpec, ...]:
        return TensorSpec("vector", torch.float32, (self.shared.dim,)), *self.shared.beside

    @cached_property
    def _extra_specs(self) -> tuple[TensorSpec, ...]:
        shapes = {"vector": (self.shared.num_trainable,), "scalar": ()}
        kinds = sorted(self.algorithm.extra_kinds.items(), key=lambda item: item[0].encode())
        return tuple(TensorSpec(name, torch.float32, shapes[kind]) for name, kind in kinds)

    @property
    def broadcast_bytes(self) -> int:
        """The size of every broadcast."""
        return sum(self.broadcast_sizes)

    @property
    def broadcast_sizes(self) -> tuple[int, ...]:
        """The sizes of a broadcast's tensors, in their order: each float32 tensor on its own."""
        specs = (*self.shared.flat, *self.shared.beside, *_specs(self.first.down))
        return tuple(spec.numel * spec.dtype.itemsize for spec in specs)

    @property
    def update_limit_bytes(self) -> int:
        """The most that an update may take: twice its float32 bytes, and room for headers."""
        return 2 * (self._head_bytes + FLOAT32_BYTES * self.shared.dim) + HEADER_ROOM_BYTES

    @property
    def uncompressed_bytes(self) -> int:
        """What an update takes beside the codec's frame."""
        return self._head_bytes

    def encode_broadcast(self, state: ServerState) -> bytes | memoryview:
        """What every client of a round downloads; a vector alone in its own memory, not a copy."""
        beside = [state.params.beside[spec.name] for spec in self.shared.beside]
        down = [state.down[spec.name] for spec in _specs(state.down)]
        if not beside and not down:
            return raw_bytes(state.params.vector)
        return encode_tensors([state.params.vector, *beside, *down])

    def decode_broadcast(self, payload: bytes | memoryview) -> tuple[Params, Tensors]:
        """Raises: CorruptPayloadError, if the length does not fit."""
        vector, *rest = decode_tensors(payload, self._broadcast_specs)
        count = len(self.shared.beside)
        beside = _named(self.shared.beside, rest[:count])
        return Params(self.shared, vector, beside), _named(_specs(self.first.down), rest[count:])

    def encode_kept(self, state: ServerState) -> bytes:
        """What only the coordinator remembers."""
        return encode_state(State(state.kept))

    def decode_server(self, broadcast: memoryview, kept: memoryview) -> ServerState:
        """Raises: CorruptPayloadError, if either does not fit."""
        params, down = self.decode_broadcast(broadcast)
        return ServerState(params, down, decode_state(bytes(kept)).tensors)

    def encode_update(self, result: ClientResult, frame: bytes) -> bytes:
        """What a client uploads; `frame` is the codec's encoding of the update."""
        beside = [result.beside[spec.name] for spec in self.shared.beside]
        extras = [result.extras[spec.name] for spec in self._extra_specs]
        return encode_tensors([*beside, *extras]) + frame if beside or extras else frame

    def decode_update(self, payload: bytes | memoryview) -> DecodedUpdate:
        """Raises: CorruptPayloadError, and nothing else, whatever the bytes are."""
        beside, extras = self.decode_head(payload)
        return DecodedUpdate(self.codec.decode(self.frame(payload), self.shared), beside, extras)

    def made_for(self, payload: bytes | memoryview) -> int | None:
        """The round that an update says that it was made for, if the codec has it say so.

        Raises: CorruptPayloadError, and nothing else, whatever the bytes are.
        """
        if not isinstance(self.codec, StampedCodec):
            return None
        return self.codec.stamp(self.frame(payload), self.shared).round_id

    def decode_row(self, payload: bytes | memoryview) -> Vector | Sparse:
        """An update without what is beside it, sparse if the codec has it so.

        Raises: CorruptPayloadError, and nothing else, whatever the bytes are.
        """
        frame = self.frame(payload)
        if isinstance(self.codec, SparseCodec):
            return self.codec.decode_sparse(frame, self.shared)
        return self.codec.decode(frame, self.shared)

    def look_at_update(
        self, payload: bytes | memoryview
    ) -> tuple[Vector | Sparse, Tensors, Tensors]:
        """As `decode_update`, for who only looks: the vector may be sparse, or the payload's own.

        Raises: CorruptPayloadError, and nothing else, whatever the bytes are.
        """
        beside, extras = self.decode_head(payload)
        if self.column_codec is None:
            return self.decode_row(payload), beside, extras
        frame, layout = self.frame(payload), self.shared
        vector = self.column_codec.decode_columns(frame, layout, 0, layout.dim)
        return vector, beside, extras

    def decode_head(self, payload: bytes | memoryview) -> tuple[Tensors, Tensors]:
        """The tensors beside the vector and the algorithm's extras, without the update itself.

        Raises: CorruptPayloadError, if the payload is too short for them.
        """
        if len(payload) < self._head_bytes:
            reason = f"an update takes over {self._head_bytes} bytes, got {len(payload)}"
            raise CorruptPayloadError(reason=reason)
        if not self._head_specs:
            return {}, {}
        tensors = decode_tensors(memoryview(payload)[: self._head_bytes], self._head_specs)
        count = len(self.shared.beside)
        return (
            _named(self.shared.beside, tensors[:count]),
            _named(self._extra_specs, tensors[count:]),
        )

    def frame(self, payload: bytes | memoryview) -> memoryview:
        """The codec's part of an update, without a copy."""
        return memoryview(payload)[self._head_bytes :]

    @cached_property
    def _head_specs(self) -> tuple[TensorSpec, ...]:
        return (*self.shared.beside, *self._extra_specs)

    @cached_property
    def _head_bytes(self) -> int:
        return sum(spec.numel * spec.dtype.itemsize for spec in self._head_specs)


def _specs(tensors: Tensors) -> tuple[TensorSpec, ...]:
    names = sorted(tensors, key=str.encode)
    return tuple(TensorSpec(n, tensors[n].dtype, tuple(tensors[n].shape)) for n in names)


def _named(specs: tuple[TensorSpec, ...], tensors: list[Tensor]) -> Mapping[str, Tensor]:
    return {spec.name: tensor for spec, tensor in zip(specs, tensors, strict=True)}
