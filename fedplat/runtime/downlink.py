"""Compressed downlink: clients that have a model are sent the step to the next one.

What the clients have is the model of record.  The coordinator encodes the step to the model that
its algorithm wants, and moves the clients' model by what that decodes to; whoever has the model
before and the encoded step comes to the same bits.  What the codec has lost stays in the codec's
state, at the coordinator.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from fedplat.engine.payload import Cargo
from fedplat.errors import CorruptPayloadError, DivergenceError
from fedplat.params import Layout, Vector, aligned, borrowed, raw_bytes
from fedplat.protocols import Codec, ServerState, Sparse, SparseCodec, Stamp
from fedplat.runtime.ports import Buffer
from fedplat.runtime.steps import PREFIX, Steps
from fedplat.types import Digest, State, Tensors, TensorSpec

OF_CODEC = f"{PREFIX}codec/"
LENGTH_BYTES = 4  # before each frame, in a row of steps: its length, little-endian


@dataclass(frozen=True)
class Downlink:
    """Moves the trainable values of a model, the beginning of its vector, by encoded steps.

    Buffers, tensors beside the vector and what an algorithm sends down travel as they are: a
    variance that a lossy step has made negative would be none.

    Guarantees: a value that a step does not move keeps its bits; one that it moves is one float32
    sum, so all who take the same steps have equal bits.  Steps are not summed up beforehand, which
    would round elsewhere: they are taken one after another.  The sum of all steps is the sum of all
    that were wanted, minus the residual of the codec's error feedback.

    Shapes: vectors here are (dim,) of `layout`, the trainable tensors.
    """

    codec: Codec
    layout: Layout

    @classmethod
    def of(cls, cargo: Cargo) -> "Downlink | None":
        """That of a scenario; None, if its models travel as they are."""
        layout = trainable(cargo.shared)
        return None if cargo.downlink is None else cls(cargo.downlink, layout)

    @property
    def size_bytes(self) -> int:
        """What the values take that steps are about."""
        return 4 * self.layout.dim

    def first(self, state: ServerState) -> ServerState:
        """The state that a federation starts from, with what the coordinator remembers."""
        return _keeping(state, self.codec.init(self.layout), Steps())

    def published(
        self, before: ServerState, wanted: ServerState, base: Digest, stamp: Stamp
    ) -> ServerState:
        """The state that the clients come to from `before`, whose broadcast is `base`.

        Raises: DivergenceError, if the step to the wanted state is not finite.
        """
        present = before.params.vector[: self.layout.dim]
        step = wanted.params.vector[: self.layout.dim] - present
        if not torch.isfinite(step).all():
            what = "the step to the next model"
            raise DivergenceError(round_id=stamp.round_id, client="coordinator", what=what, step=0)
        frame, coded = self.codec.encode(step, self.layout, _coded(before.kept), stamp)
        vector = aligned(len(wanted.params.vector)).copy_(wanted.params.vector)
        vector[: self.layout.dim] = present
        self._take(vector[: self.layout.dim], frame)
        steps = Steps.of(before.kept).followed(base, one(frame), room_bytes=self.size_bytes)
        moved = ServerState(wanted.params.with_vector(vector), wanted.down, wanted.kept)
        return _keeping(moved, coded, steps)

    def walked(self, known: Buffer, steps: Buffer) -> memoryview:
        """The beginning of a broadcast, `size_bytes` of it, from an earlier one and the steps.

        Guarantees: memory of two vectors, whatever the bytes are.
        Raises: CorruptPayloadError, if the steps are not this codec's, or `known` is too short.
        """
        if len(known) < self.size_bytes:
            reason = f"a broadcast has {self.size_bytes} bytes or more, got {len(known)}"
            raise CorruptPayloadError(reason=reason)
        vector = aligned(self.layout.dim).copy_(borrowed(known, 0, self.layout.dim))
        for frame in _frames(memoryview(steps)):
            self._take(vector, frame)
        return raw_bytes(vector)

    def _take(self, vector: Vector, frame: Buffer) -> None:
        """Moves `vector` in place."""
        values = vector.numpy()
        with np.errstate(over="ignore"):
            if not isinstance(self.codec, SparseCodec):
                step = self.codec.decode(frame, self.layout)
            elif isinstance(found := self.codec.decode_sparse(frame, self.layout), Sparse):
                moved = found.positions[found.values != 0].numpy()
                values[moved] += found.values[found.values != 0].numpy()
                return
            else:
                step = found
            np.add(values, step.numpy(), out=values, where=step.numpy() != 0)


def trainable(layout: Layout) -> Layout:
    """The tensors of the vector's trainable beginning."""

    def moves(spec: TensorSpec) -> bool:
        return spec.trainable and spec.dtype == torch.float32

    return layout.where(moves)


def without(kept: Tensors) -> Tensors:
    """What an algorithm has kept: without what is remembered here."""
    return {name: tensor for name, tensor in kept.items() if not name.startswith(PREFIX)}


def one(frame: bytes) -> bytes:
    """A row of one step."""
    return len(frame).to_bytes(LENGTH_BYTES, "little") + frame


def _frames(steps: memoryview) -> Iterator[memoryview]:
    while steps:
        size, rest = int.from_bytes(steps[:LENGTH_BYTES], "little"), steps[LENGTH_BYTES:]
        if len(steps) < LENGTH_BYTES or not 0 < size <= len(rest):
            raise CorruptPayloadError(reason=f"a step of {size} bytes, of which {len(rest)} came")
        yield rest[:size]
        steps = rest[size:]


def _coded(kept: Mapping[str, torch.Tensor]) -> State:
    """What the codec remembers."""
    return State({n.removeprefix(OF_CODEC): t for n, t in kept.items() if n.startswith(OF_CODEC)})


def _keeping(state: ServerState, coded: State, steps: Steps) -> ServerState:
    mine = {OF_CODEC + name: tensor for name, tensor in coded.tensors.items()}
    kept = {**without(state.kept), **mine, **steps.tensors()}
    return ServerState(state.params, state.down, kept)
