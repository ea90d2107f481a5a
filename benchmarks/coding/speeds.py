"""Single steps alone, beside what is otherwise used for them: MB of dense float32 a second."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import log2
from typing import Any

import numpy as np
import torch

from benchmarks.coding.arms import STAMP, Part
from benchmarks.coding.payloads import Payload
from benchmarks.figures import interleaved, median_ratio
from fedplat import codecs, rng
from fedplat.aggregators.mean import Mean
from fedplat.codecs.entropy.raw import Raw
from fedplat.codecs.framed import Framed
from fedplat.codecs.kernels.selection import largest
from fedplat.codecs.kmeans import KMeans
from fedplat.codecs.packet import Form, Packet
from fedplat.codecs.ternary import Ternary
from fedplat.params import Layout
from fedplat.protocols import Sparse
from fedplat.types import TensorSpec

Row = dict[str, Any]
FAST: Part = {"name": "stc", "entropy": "pco"}
CLUSTERS = 15


@dataclass(frozen=True)
class Measured:
    """`speeds`: median MB/s by arm.  `values`: what else came of it."""

    speeds: Mapping[str, float]
    values: Mapping[str, float]

    def rows(self, step: str, size: int) -> list[Row]:
        return [
            {"step": step, "arm": arm, "mb_s": speed, "values": size}
            for arm, speed in self.speeds.items()
        ]

    def as_json(self) -> dict[str, Any]:
        return {"speeds": dict(self.speeds), "values": dict(self.values)}


def _speeds(seconds: Mapping[str, Sequence[float]], dim: int) -> dict[str, float]:
    return {arm: 4e-6 * dim / statistics.median(runs) for arm, runs in seconds.items()}


def top_k(payload: Payload, repeats: int) -> Measured:
    """1 % of the values by magnitude.  Raises: ValueError, if it is not what torch finds."""
    values, count = payload.vector.numpy(), payload.layout.dim // 100
    magnitudes = payload.vector.abs()
    seconds = interleaved(
        {
            "ours, exact": lambda: largest(values, count),
            "torch.topk": lambda: torch.topk(payload.vector.abs(), count, sorted=False),
            "numpy.argpartition": lambda: np.argpartition(np.abs(values), -count)[-count:],
            "read: numpy.max": lambda: values.max(),
        },
        repeats,
    )
    mine = magnitudes[torch.from_numpy(largest(values, count))].sort().values
    if not torch.equal(mine, torch.topk(magnitudes, count).values.flip(0)):
        raise ValueError("these are not the largest magnitudes")
    return Measured(_speeds(seconds, payload.layout.dim), {})


def k_means(payload: Payload, repeats: int) -> Measured:
    """15 clusters of all values, beside sklearn, both on one thread: speeds and errors."""
    from sklearn.cluster import KMeans as Sklearn
    from threadpoolctl import threadpool_limits

    layout = Layout.of([TensorSpec("all", torch.float32, (payload.layout.dim,))])
    packet = Packet(layout, values=payload.vector.numpy())
    stage, column = KMeans(clusters=CLUSTERS), packet.numbers.reshape(-1, 1)
    found = {}

    def theirs() -> None:
        with threadpool_limits(1):
            found["sklearn"] = Sklearn(CLUSTERS, n_init=1, random_state=0).fit(column)

    seconds = interleaved(
        {"ours, exact": lambda: stage.forward(packet, {}, 0), "sklearn, n_init 1": theirs},
        repeats,
        warm_up=0 if repeats < 3 else 1,
    )
    got = stage.backward(stage.forward(packet, {}, 0)[0], layout).dense()
    error = float(np.sum((packet.numbers.astype(np.float64) - got) ** 2))
    ratio = error / float(found["sklearn"].inertia_)
    speedup = median_ratio(seconds["sklearn, n_init 1"], seconds["ours, exact"])
    return Measured(
        _speeds(seconds, payload.layout.dim), {"speedup": speedup, "error_ratio": ratio}
    )


def fast_path(payload: Payload, repeats: int) -> Measured:
    """Top 1 % as ±mean, gaps by pcodec: with error feedback as `stc` has it, and without."""
    arms, dim, layout = {}, payload.layout.dim, payload.layout
    for name, codec in {"stc": _codec(FAST), "without feedback": _alone(_codec(FAST))}.items():
        state = codec.init(layout)
        frame, _ = codec.encode(payload.vector, layout, state, STAMP)
        folded = Mean().init(dim)
        arms[f"encode, {name}"] = lambda c=codec, s=state: c.encode(
            payload.vector, layout, s, STAMP
        )
        arms[f"decode and accumulate, {name}"] = lambda c=codec, f=frame, s=folded: _accumulate(
            c, f, layout, s
        )
    return Measured(_speeds(interleaved(arms, repeats), dim), {})


def _codec(part: Part) -> Framed:
    codec = codecs.build(part)
    if not isinstance(codec, Framed):
        raise TypeError(f"{part} writes no frames")
    return codec


def _alone(codec: Framed) -> Framed:
    """The stages inside error feedback."""
    chain: Any = codec.body
    return Framed(replace(chain, stages=chain.stages[0].inner))


def _accumulate(codec: Framed, frame: bytes, layout: Layout, folded: Any) -> None:
    update = codec.decode_sparse(frame, layout)
    if not isinstance(update, Sparse):
        raise TypeError("a sparse update decodes to a dense one")
    Mean().add_sparse(folded, update, 3.0)


def tern_grad(payload: Payload, repeats: int) -> Measured:
    """Ternarising at random as TernGrad does; and packing ternary symbols that are equally likely.

    `bits`: of a packed symbol, over log2 3.
    """
    packet, stage = Packet(payload.layout, values=payload.vector.numpy()), Ternary()
    dim = payload.layout.dim
    draw = torch.randint(-1, 2, (dim,), generator=rng.generator(0, "ternary"))
    flat = Layout.of([TensorSpec("all", torch.float32, (dim,))])
    even = Packet(flat, symbols=draw.numpy().astype(np.int16))
    form, raw = Form(alphabet=(-1, 1), zeros=True), Raw()
    packed = raw.write(even, form)
    seconds = interleaved(
        {
            "clip and ternarise": lambda: stage.forward(packet, {}, STAMP.seed),
            "pack, evenly ternary": lambda: raw.write(even, form),
            "unpack, evenly ternary": lambda: raw.read(memoryview(packed), flat, form),
        },
        repeats,
    )
    return Measured(_speeds(seconds, dim), {"bits": 8 * len(packed) / dim / log2(3)})
