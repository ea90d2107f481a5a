"""A whole decode takes the memory of two models, whatever the frame says; and the same sums."""

import os
import subprocess
import sys
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from golden_frames import STAMP
from hypothesis import given
from hypothesis import strategies as st

from fedplat import codecs
from fedplat.aggregators.mean import Mean
from fedplat.codecs import frame
from fedplat.codecs.entropy import BY_NAME
from fedplat.codecs.framed import Framed
from fedplat.codecs.packet import Packet
from fedplat.codecs.stage import Traits
from fedplat.params import Layout
from fedplat.protocols import Sparse
from fedplat.types import State, TensorSpec

LAYOUT = Layout.of(
    [
        TensorSpec("w", torch.float32, (300, 1000)),
        TensorSpec("head", torch.float32, (1007,), role="head"),
        TensorSpec("wide", torch.float32, (2, 20_000)),
    ]
)
SMALL = Layout.of(
    [TensorSpec("w", torch.float32, (30, 10)), TensorSpec("b", torch.float32, (7,), role="head")]
)
DENSITIES = (0.01, 0.25, 0.5, 0.7, 0.9, 1)
ROOM = 1 << 18  # bytes of blocks that are looked at together, whatever the model
TABLES = {"context": 2_300_000, "auto": 2_300_000, "huffman": 1 << 19}
CODERS = sorted(BY_NAME)
SLOW = ("auto", "context")  # coders of which only the densities with most memory are tried
EVERY = (*((one, True) for one in DENSITIES), (0.5, False), (1, False))
FEW = ((0.7, True), (1, False))
TOP_K = {"name": "top_k", "ratio": 0.01}
RAND_K = {"name": "rand_k", "ratio": 0.01}


def chain(*stages):
    return {"name": "chain", "stages": list(stages)}


SPARSE = {
    "topk": lambda coder: chain("error_feedback", TOP_K, coder),
    "stc": lambda coder: chain("error_feedback", TOP_K, "sign", coder),
    "clusters": lambda coder: chain(TOP_K, {"name": "kmeans", "clusters": 5}, coder),
    "bf16": lambda coder: chain(TOP_K, "bf16", coder),
    "fp16": lambda coder: chain(TOP_K, "fp16", coder),
    "ecsq": lambda coder: chain("dgc", TOP_K, "ecsq", coder),
    "drawn": lambda coder: chain(RAND_K, coder),
    "drawn levels": lambda coder: chain(
        "error_feedback", RAND_K, {"name": "int", "scope": "global"}, coder
    ),
    "drawn eden": lambda coder: chain(RAND_K, {"name": "eden", "bits": 8}, coder),
    "all sparse": lambda coder: {
        "name": "by_tensor",
        "routes": [{"role": "head", "codec": chain(TOP_K, coder)}],
        "default": chain(TOP_K, "sign", coder),
    },
    "some sparse": lambda coder: {
        "name": "by_tensor",
        "routes": [{"role": "head", "codec": chain("bf16", coder)}],
        "default": chain(TOP_K, coder),
    },
}
DENSE = {
    **{
        name: lambda coder, name=name: {"name": name, "entropy": coder}
        for name in sorted(codecs.BY_NAME)
        if name not in ("by_tensor", "chain", "fedzip", "float32")
    },
    "fedzip": lambda coder: {"name": "fedzip", "encoding": coder},
    "sixteen bits": lambda coder: {"name": "int8", "bits": 16, "entropy": coder},
    "fp16": lambda coder: chain("fp16", coder),
    "grid": lambda coder: chain({"name": "grid", "levels": 300}, coder),
    "factors": lambda coder: chain({"name": "low_rank", "rank": 1}, "int", coder),
    "low rank": lambda coder: chain({"name": "low_rank", "rank": 200}, "fp16", coder),
}


def scaled(part, ratio):
    """The part with this ratio in place of every other."""
    if isinstance(part, dict):
        changed = {key: scaled(value, ratio) for key, value in part.items()}
        return {**changed, "ratio": ratio} if "ratio" in part else changed
    return [scaled(one, ratio) for one in part] if isinstance(part, list) else part


def update(density, flat, layout=LAYOUT, seed=0):
    """Values of which this share is not 0; if `flat` all are 1, so that they take no bytes."""
    draw = np.random.default_rng(seed)
    values = np.ones(layout.dim) if flat else draw.standard_normal(layout.dim)
    values[draw.permutation(layout.dim)[round(density * layout.dim) :]] = 0
    return torch.from_numpy(values.astype(np.float32))


def body_of(part, density, flat, layout=LAYOUT):
    made = codecs.build(part)
    return made.encode(update(density, flat, layout), layout, made.init(layout), STAMP)[0][64:]


def peak(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def excess(made, body):
    """By how many bytes either decode of a body exceeds two models and what its bytes take."""
    payload = frame.write(frame.Kind.of(made.spec, LAYOUT), STAMP, body)
    made.decode(payload, LAYOUT)
    taken = max(peak(lambda f=f: f(payload, LAYOUT)) for f in (made.decode, made.decode_sparse))
    return taken - 2 * 4 * LAYOUT.dim - 2 * len(payload)


def room(coder):
    return ROOM + TABLES.get(coder, 0)


@pytest.mark.parametrize("coder", CODERS)
@pytest.mark.parametrize("density", [0.3, 0.97, 1])
def test_a_frame_that_says_that_all_values_have_positions_takes_no_more_than_two_models(
    coder, density
):
    made = codecs.build(SPARSE["topk"](coder))
    body = body_of(scaled(SPARSE["topk"](coder), density), density, flat=True)
    assert excess(made, body) <= room(coder)


def of_sparse(name):
    for coder in CODERS:
        part = SPARSE[name](coder)
        for density, flat in FEW if coder in SLOW else EVERY:
            dense = scaled(part, density)
            made = codecs.build(dense if "drawn" in name else part)
            taken = excess(made, body_of(dense, density, flat))
            assert taken <= room(coder), (coder, density, flat, taken)


def of_dense(name):
    for coder in CODERS:
        made = codecs.build(DENSE[name](coder))
        for density, flat in (
            ((1, False),) if coder in SLOW else ((0.02, False), (1, False), (1, True))
        ):
            taken = excess(made, body_of(DENSE[name](coder), density, flat))
            assert taken <= room(coder), (coder, density, flat, taken)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [f"sparse {one}" for one in SPARSE] + [f"dense {one}" for one in DENSE]
)
def test_updates_of_every_codec_and_density_take_no_more_than_two_models(name):
    """In a process that no test looks into: whoever checks types holds what a stage has let go."""
    kind, _, which = name.partition(" ")
    code = f"import test_decoding_memory as here; here.of_{kind}({which!r})"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@dataclass(frozen=True)
class Lists:
    """A body whose reader lists all positions, as if they were few, to show that it is seen."""

    name: ClassVar[str] = "lists"
    traits: ClassVar[Traits] = Traits()

    def init(self, layout):
        return State()

    def unpack(self, payload, layout):
        values, positions = np.ones(layout.dim, dtype=np.float32), np.arange(layout.dim)
        return Packet(layout, values=values, positions=positions)


def test_a_list_of_all_positions_would_be_noticed():
    assert excess(Framed(Lists()), b"") > 2 * ROOM


@given(
    density=st.sampled_from(DENSITIES),
    name=st.sampled_from(sorted(set(SPARSE) - {"some sparse"})),
    coder=st.sampled_from(CODERS),
    seed=st.integers(0, 99),
)
def test_what_is_read_sparse_is_what_is_decoded_and_adds_nothing_where_nothing_is(
    density, name, coder, seed
):
    made = codecs.build(scaled(SPARSE[name](coder), density))
    sent = update(density, False, SMALL, seed)
    payload, _ = made.encode(sent, SMALL, made.init(SMALL), STAMP)
    vector, found = made.decode(payload, SMALL), made.decode_sparse(payload, SMALL)
    if isinstance(found, Sparse):
        assert 4 * len(found.positions) <= SMALL.dim
        again = torch.zeros(SMALL.dim)
        again[found.positions] = found.values
        assert again.numpy().tobytes() == vector.numpy().tobytes()
        return
    assert torch.equal(found, vector)
    for before in (-0.0, 0.0, 1.0):
        state = Mean().init(SMALL.dim)
        state.total.fill_(before)
        total = Mean().add(state, found, 3.0).total.numpy()
        absent = np.signbit(found.numpy()) & (found.numpy() == 0)
        assert total[absent].tobytes() == np.full(absent.sum(), before).tobytes()
