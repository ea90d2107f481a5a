"""Which codecs are measured: every preset, with every entropy coder that can end it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.coding.payloads import Payload
from fedplat import codecs
from fedplat.codecs import entropy, stage
from fedplat.codecs.chain import Chain
from fedplat.codecs.framed import Framed
from fedplat.codecs.packet import Form, Packet
from fedplat.codecs.reference import iid_reference_bits
from fedplat.params import Vector
from fedplat.protocols import Stamp
from fedplat.types import State

Part = Mapping[str, Any]
STAMP = Stamp(seed=1, round_id=1)
CODERS = ("raw", "zstd", "pco", "rice", "huffman", "context", "auto")
QUICK_CODERS = ("raw", "zstd", "pco", "rice", "context")
FEDZIP_ENCODINGS = ("huffman", "addresses", "differences")
PARTS: tuple[Part, ...] = (
    {"name": "fedzip"},
    {"name": "fedzip", "keep": 0.01},
    {"name": "terngrad"},
    {"name": "stc"},
    {"name": "ecsq"},
    {"name": "ecsq", "step": 2.0},
    {"name": "int8"},
    {"name": "int8", "bits": 4},
    {"name": "bf16"},
    {"name": "lossless"},
    {"name": "topk"},
    {"name": "dgc"},
    {"name": "eden"},
    {"name": "eden", "bits": 4},
    {"name": "powersgd"},
    {"name": "qsgd"},
    {"name": "signsgd"},
    {"name": "randk"},
)
OURS = ("fedzip", "stc", "ecsq", "terngrad")  # those whose symbols are mostly 0


@dataclass(frozen=True)
class Arm:
    """A preset before its entropy coder, on one payload: what all its frames have in common."""

    part: Part
    payload: Payload

    @property
    def name(self) -> str:
        """As one would write it: `ecsq, step 2.0`."""
        rest = [f"{key} {value}" for key, value in self.part.items() if key != "name"]
        return ", ".join([self.part["name"], *rest])

    @cached_property
    def chain(self) -> Chain:
        codec = codecs.build(self.part)
        if not isinstance(codec, Framed) or not isinstance(codec.body, Chain):
            raise TypeError(f"{self.name} is no chain of stages")
        return codec.body

    @cached_property
    def packet(self) -> Packet:
        """What the entropy coder is given."""
        start = Packet(self.payload.layout, values=self.payload.vector.numpy())
        memory = {
            name: one.numpy() for name, one in self.chain.init(self.payload.layout).tensors.items()
        }
        return stage.forward(self.chain.stages, start, memory, STAMP.seed)[0]

    @property
    def form(self) -> Form:
        return self.chain.form

    @cached_property
    def reference_bits(self) -> float:
        return iid_reference_bits(self.packet, self.form)

    @cached_property
    def wanted(self) -> np.ndarray:
        """What must be decoded, whatever the entropy coder: the stages undone, in float32."""
        packet = stage.backward(self.chain.stages, self.packet, self.payload.layout)
        return packet.dense()

    def coded(self, coder: str) -> "Coded":
        return Coded(
            self, coder, Framed(replace(self.chain, entropy=entropy.build({"name": coder})))
        )

    def coders(self, chosen: Sequence[str] = CODERS) -> list[str]:
        """The entropy coders that are measured: FedZip has its own beside the chosen."""
        own = FEDZIP_ENCODINGS if self.part["name"] == "fedzip" else ()
        return list(dict.fromkeys([*chosen, *own]))


@dataclass(frozen=True)
class Coded:
    """One codec on one payload."""

    arm: Arm
    coder: str
    codec: Framed

    @cached_property
    def state(self) -> State:
        return self.codec.init(self.arm.payload.layout)

    def encode(self) -> bytes:
        payload = self.arm.payload
        return self.codec.encode(payload.vector, payload.layout, self.state, STAMP)[0]

    def decode(self, frame: bytes) -> Vector:
        return self.codec.decode(frame, self.arm.payload.layout)
