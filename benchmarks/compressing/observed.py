"""A codec that is watched: how many bytes, how many seconds, and what others would have written."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch

from fedplat.params import Layout, Vector
from fedplat.protocols import Codec, Sparse, SparseCodec, Stamp
from fedplat.types import State

Claims = Callable[[bytes, Layout], Mapping[str, int]]
REMEMBERED = 16  # decoded frames: a round's
EVERY = 7  # of so many frames one is also written by others; no divisor of the number of clients


@dataclass
class Observed:
    """Encodes and decodes as `codec` does, and counts.

    `beside` are codecs of the same stages with other entropy coders: they encode every seventh
    update too, from the same state, only to be measured.  `claims` gives the bits that a paper
    would count for it.  `watched` holds bytes of these frames alone: as float32 and as they are.
    A frame that is decoded again (the coordinator looks at it when it comes, and folds it later) is
    remembered, which saves the benchmark time: `decode_s` counts each frame once.
    """

    codec: Codec
    beside: Mapping[str, Codec] = field(default_factory=dict)
    claims: Claims | None = None
    frames: int = 0
    frame_bytes: int = 0
    raw_bytes: int = 0
    watched: dict[str, int] = field(default_factory=lambda: {"raw": 0, "frame": 0})
    beside_bytes: dict[str, int] = field(default_factory=dict)
    claimed_bits: dict[str, int] = field(default_factory=dict)
    encode_s: float = 0.0
    decode_s: float = 0.0
    watching_s: float = 0.0
    _decoded: dict[bytes, Vector | Sparse] = field(default_factory=dict, repr=False)

    def init(self, layout: Layout) -> State:
        return self.codec.init(layout)

    def encode(
        self, update: Vector, layout: Layout, state: State, stamp: Stamp
    ) -> tuple[bytes, State]:
        start = perf_counter()
        frame, following = self.codec.encode(update, layout, state, stamp)
        done = perf_counter()
        self.encode_s += done - start
        self.frames += 1
        self.frame_bytes += len(frame)
        self.raw_bytes += 4 * layout.dim
        if self.frames % EVERY == 1:
            self._watch(frame, update, layout, state, stamp)
            self.watching_s += perf_counter() - done
        return frame, following

    def _watch(
        self, frame: bytes, update: Vector, layout: Layout, state: State, stamp: Stamp
    ) -> None:
        self.watched["raw"] += 4 * layout.dim
        self.watched["frame"] += len(frame)
        for name, other in self.beside.items():
            size = len(other.encode(update, layout, state, stamp)[0])
            self.beside_bytes[name] = self.beside_bytes.get(name, 0) + size
        for name, bits in (self.claims(frame, layout) if self.claims else {}).items():
            self.claimed_bits[name] = self.claimed_bits.get(name, 0) + bits

    def decode(self, payload: bytes | memoryview, layout: Layout) -> Vector:
        update = self.decode_sparse(payload, layout)
        if not isinstance(update, Sparse):
            return update
        vector = torch.zeros(update.dim)
        vector[update.positions] = update.values
        return vector

    def decode_sparse(self, payload: bytes | memoryview, layout: Layout) -> Vector | Sparse:
        name = hashlib.blake2b(payload).digest()
        if name not in self._decoded:
            codec, start = self.codec, perf_counter()
            decode = codec.decode_sparse if isinstance(codec, SparseCodec) else codec.decode
            self._decoded[name] = decode(payload, layout)
            self.decode_s += perf_counter() - start
            if len(self._decoded) > REMEMBERED:
                self._decoded.pop(next(iter(self._decoded)))
        return self._decoded[name]

    def answer(self) -> dict[str, Any]:
        return {
            "frames": self.frames,
            "frame_bytes": self.frame_bytes,
            "raw_bytes": self.raw_bytes,
            "watched": self.watched,
            "beside_bytes": self.beside_bytes,
            "claimed_bits": self.claimed_bits,
            "encode_s": self.encode_s,
            "decode_s": self.decode_s,
        }
