"""Frames that must decode for ever: one of each codec, written once and never again.

python tests/codecs/golden_frames.py        adds the frames that are missing; changes none

A frame that does not decode any more is a broken promise to everyone who has stored one.  Whoever
changes a format gives it another name, and leaves the old one as it is.
"""

import hashlib
import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fedplat import codecs
from fedplat.codecs.framed import Framed
from fedplat.params import Layout
from fedplat.protocols import Stamp
from fedplat.types import TensorSpec

FOLDER = Path(__file__).parent / "golden"
INDEX = FOLDER / "index.json"
STAMP = Stamp(seed=20_261_122, round_id=7, base=2**63 + 5)
LAYOUT = Layout.of(
    [
        TensorSpec("conv.weight", torch.float32, (4, 2, 3, 3)),
        TensorSpec("conv.bias", torch.float32, (4,)),
        TensorSpec("empty", torch.float32, (0, 5)),
        TensorSpec("head.weight", torch.float32, (12, 10), role="head"),
        TensorSpec("scale", torch.float32, ()),
        TensorSpec("steps", torch.int64, (), trainable=False),
    ]
)
CODERS = ("raw", "zstd", "pco", "rice", "huffman", "context", "auto")
PARTS: dict[str, dict[str, Any]] = {
    "float32": {"name": "float32"},
    **{
        name: {"name": name}
        for name in sorted(codecs.BY_NAME)
        if name not in ("chain", "by_tensor")
    },
    **{
        f"fedzip-{coder}": {"name": "fedzip", "encoding": coder}
        for coder in (*CODERS, "addresses", "differences")
    },
    **{f"topk-{coder}": {"name": "topk", "ratio": 0.1, "entropy": coder} for coder in CODERS},
    **{f"stc-{coder}": {"name": "stc", "ratio": 0.1, "entropy": coder} for coder in CODERS},
    **{f"lossless-{coder}": {"name": "lossless", "entropy": coder} for coder in CODERS},
    **{f"int8-{coder}": {"name": "int8", "entropy": coder} for coder in CODERS},
    "int4-stochastic": {"name": "int8", "bits": 4, "rounding": "stochastic"},
    "eden-4-bit": {"name": "eden", "bits": 4},
    "eden-biased": {"name": "eden", "biased": True},
    "randk-tenth": {"name": "randk", "ratio": 0.1},
    "signsgd-plain": {"name": "signsgd", "error_feedback": False},
    "terngrad-unclipped": {"name": "terngrad", "clip": 1e9},
    "fp16": {"name": "chain", "stages": ["fp16", "raw"]},
    "grid": {"name": "chain", "stages": [{"name": "grid", "levels": 8}, "raw"]},
    "threshold": {"name": "chain", "stages": [{"name": "threshold", "value": 1.5}, "rice"]},
    "budget": {"name": "topk", "target_bytes_per_round": 200, "entropy": "raw"},
    "by_tensor": {
        "name": "by_tensor",
        "routes": [
            {"matching": "bias|scale", "codec": "bf16"},
            {"role": "head", "codec": {"name": "stc", "ratio": 0.1}},
        ],
        "default": {"name": "ecsq", "step": 1.0},
    },
}


@dataclass(frozen=True)
class Golden:
    """A stored frame, the codec that made it, and what it decodes to."""

    name: str
    codec: dict[str, Any]
    frame: bytes
    decoded: str

    @property
    def made(self) -> Any:
        return codecs.build(self.codec)

    @property
    def body(self) -> bytes:
        """The frame without its header; of the codec that has none, the frame."""
        return self.frame[64:] if isinstance(self.made, Framed) else self.frame


def update(dim: int = LAYOUT.dim) -> torch.Tensor:
    """Values with heavy tails, by whole-number arithmetic, so that they are the same for ever."""
    index = np.arange(1, dim + 1, dtype=np.uint64)
    uniform = (index * np.uint64(2654435761) % np.uint64(2**32)).astype(np.float64) / 2**31 - 1
    return torch.from_numpy((uniform * uniform * uniform * uniform * uniform).astype(np.float32))


def digest(vector: torch.Tensor) -> str:
    return hashlib.sha256(vector.numpy().astype("<f4").tobytes()).hexdigest()


def stored() -> list[Golden]:
    """All frames that there are."""
    index = json.loads(INDEX.read_text(encoding="utf-8")) if INDEX.exists() else {}
    return [
        Golden(name, one["codec"], (FOLDER / f"{name}.bin").read_bytes(), one["decoded"])
        for name, one in index.items()
    ]


def pinned(part: Any) -> Any:
    """A codec's part with today's defaults written out, so that they may change."""
    if isinstance(part, str):
        return pinned({"name": part})
    if (make := codecs.BY_NAME.get(part["name"])) is None:
        return part
    known = inspect.signature(make).parameters
    defaults = {k: one.default for k, one in known.items() if one.default is not one.empty}
    if "target_bytes_per_round" in part:
        defaults = {k: v for k, v in defaults.items() if k not in codecs.TUNED}
    whole = {**defaults, **part}
    if "routes" in whole:
        whole["routes"] = [{**one, "codec": pinned(one["codec"])} for one in whole["routes"]]
        whole["default"] = pinned(whole["default"])
    return whole


def add_missing() -> list[str]:
    """Writes a frame for each of `PARTS` that has none; says which."""
    index = json.loads(INDEX.read_text(encoding="utf-8")) if INDEX.exists() else {}
    added = [name for name in PARTS if name not in index]
    for name in added:
        codec = codecs.build(part := pinned(PARTS[name]))
        frame, _ = codec.encode(update(), LAYOUT, codec.init(LAYOUT), STAMP)
        (FOLDER / f"{name}.bin").write_bytes(frame)
        index[name] = {"codec": part, "decoded": digest(codec.decode(frame, LAYOUT))}
    text = json.dumps(dict(sorted(index.items())), indent=1)
    INDEX.write_text(text + "\n", encoding="utf-8")
    return added


if __name__ == "__main__":
    print(*(f"added {name}" for name in add_missing()), sep="\n")
