"""Routing: every tensor in exactly one chain, and each as if it were alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedplat import codecs
from fedplat.codecs.by_tensor import ByTensor, Route, joined
from fedplat.codecs.cast import Bf16
from fedplat.codecs.chain import Chain
from fedplat.codecs.entropy import build
from fedplat.codecs.error_feedback import ErrorFeedback
from fedplat.codecs.framed import Framed
from fedplat.codecs.marks import Marks, many
from fedplat.codecs.packet import Packet
from fedplat.codecs.rand_k import RandK
from fedplat.codecs.stage import spec
from fedplat.codecs.top_k import TopK
from fedplat.errors import ConfigError, CorruptPayloadError
from fedplat.params import Layout
from fedplat.protocols import Stamp
from fedplat.types import TensorSpec

LAYOUT = Layout.of(
    [
        TensorSpec("conv.weight", torch.float32, (4, 2, 3, 3)),
        TensorSpec("conv.bias", torch.float32, (4,)),
        TensorSpec("norm.weight", torch.float32, (4,), role="norm"),
        TensorSpec("norm.running_mean", torch.float32, (4,), trainable=False, role="norm"),
        TensorSpec("norm.steps", torch.int64, (), trainable=False, role="norm"),
        TensorSpec("empty", torch.float32, (0, 3)),
        TensorSpec("head.bias", torch.float32, (), role="head"),
        TensorSpec("head.weight", torch.float32, (10, 4), role="head"),
    ]
)
RAW = Chain((), build({"name": "raw"}))
SPARSE = Chain((TopK(0.25),), build({"name": "raw"}))
CORRECTED = Chain((ErrorFeedback((TopK(0.25),)),), build({"name": "raw"}))
STAMP = Stamp(seed=7, round_id=3)
SEEDS = st.integers(0, 2**32 - 1)
UPDATES = SEEDS.map(
    lambda seed: torch.randn(LAYOUT.dim, generator=torch.Generator().manual_seed(seed))
)


def round_trip(body, update, layout=LAYOUT):
    one = Framed(body)
    frame, state = one.encode(update, layout, one.init(layout), STAMP)
    return one, frame, state, one.decode(frame, layout)


@given(UPDATES)
def test_each_tensor_comes_back_as_from_the_first_route_that_takes_it(update):
    body = ByTensor((Route(RAW, matching="bias|^norm"), Route(SPARSE, role="head")), SPARSE)
    _, _, _, decoded = round_trip(body, update)
    views, got = LAYOUT.views(update), LAYOUT.views(decoded)
    for name in ("conv.bias", "head.bias", "norm.weight", "norm.running_mean"):
        assert got[name].tolist() == views[name].tolist()
    for name, kept in {"conv.weight": 18, "head.weight": 10}.items():
        assert got[name].count_nonzero() == kept
        strongest = views[name].abs().flatten().topk(kept).indices
        assert got[name].flatten()[strongest].tolist() == views[name].flatten()[strongest].tolist()


@given(UPDATES)
def test_where_all_routes_are_sparse_the_whole_is_and_its_positions_ascend(update):
    body = ByTensor((Route(SPARSE, matching="weight"),), SPARSE)
    one, frame, _, decoded = round_trip(body, update)
    sparse = one.decode_sparse(frame, LAYOUT)
    assert (sparse.positions.diff() > 0).all()
    again = torch.zeros(LAYOUT.dim)
    again[sparse.positions] = sparse.values
    assert again.tolist() == decoded.tolist()
    assert isinstance(
        round_trip(ByTensor((Route(RAW, role="head"),), SPARSE), update)[3], torch.Tensor
    )


@given(st.lists(st.sampled_from(["norm", "head", "bias", "weight", "conv"]), unique=True))
def test_every_tensor_is_in_exactly_one_route_whatever_their_order(words):
    routes = (*(Route(RAW, matching=word) for word in words), Route(RAW, max_numel=10**6))
    try:
        shares = ByTensor(routes).shares(LAYOUT)
    except ValueError as error:
        assert "takes no tensor" in str(error)
        return
    names = [spec.name for _, share in shares for spec in share.layout.specs]
    assert sorted(names) == sorted(spec.name for spec in LAYOUT.flat)


def test_a_route_takes_by_name_by_size_and_by_role_and_all_that_is_said_must_hold():
    taken = {
        key: {spec.name for spec in LAYOUT.flat if route.takes(spec)}
        for key, route in {
            "name": Route(RAW, matching=r"\.bias$"),
            "size": Route(RAW, max_numel=4),
            "role": Route(RAW, role="norm"),
            "both": Route(RAW, matching="weight", role="norm"),
        }.items()
    }
    assert taken["name"] == {"conv.bias", "head.bias"}
    assert taken["role"] == {"norm.weight", "norm.running_mean"}
    assert taken["size"] == taken["name"] | taken["role"] | {"empty"}
    assert taken["both"] == {"norm.weight"}


def test_each_route_remembers_by_itself():
    body = ByTensor((Route(CORRECTED, matching="conv"),), CORRECTED)
    update = torch.ones(LAYOUT.dim)
    one, _, state, decoded = round_trip(body, update)
    assert set(one.init(LAYOUT)) == set(state) == {"0/0.residual", "1/0.residual"}
    assert state["0/0.residual"].numel() == 4 * 2 * 9 + 4
    residual = state["0/0.residual"].sum() + state["1/0.residual"].sum()
    assert residual + decoded.sum() == LAYOUT.dim


def test_each_route_draws_from_a_stream_of_its_own():
    drawn = Chain((RandK(0.5),), build({"name": "raw"}))
    layout = Layout.of(TensorSpec(name, torch.float32, (200,)) for name in "ab")
    body = ByTensor((Route(drawn, matching="a"),), drawn)
    _, _, _, decoded = round_trip(body, torch.ones(400), layout)
    assert ((decoded[:200] != 0) != (decoded[200:] != 0)).any()
    assert decoded.tolist() == round_trip(body, torch.ones(400), layout)[3].tolist()


def test_a_body_is_each_routes_size_and_bytes():
    update = torch.arange(LAYOUT.dim, dtype=torch.float32)
    body = ByTensor((Route(RAW, role="head"),), RAW)
    _, frame, _, _ = round_trip(body, update)
    head = Layout(tuple(spec for spec in LAYOUT.flat if spec.role == "head"))
    alone = Framed(RAW).encode(update[LAYOUT.spans()["head.bias"]], head, RAW.init(head), STAMP)
    first = len(alone[0]) - 64
    assert frame[64] == first + 4 * 40  # head.weight besides; both sizes fit one byte


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


def test_a_route_that_takes_nothing_is_refused_and_the_tensors_are_named():
    body = ByTensor((Route(RAW, matching="biass"),), SPARSE)
    with pytest.raises(
        ValueError, match="matching = 'biass' takes no tensor; what is left.*conv.bias"
    ):
        body.init(LAYOUT)
    shadowed = ByTensor((Route(RAW, max_numel=10**6), Route(RAW, role="head")))
    with pytest.raises(ValueError, match="none: other routes have taken all"):
        shadowed.init(LAYOUT)


def test_a_tensor_without_a_route_is_named():
    body = ByTensor((Route(RAW, matching="conv|norm|empty"),))
    with pytest.raises(ValueError, match="no route takes head.bias, head.weight; add one"):
        body.init(LAYOUT)
    ByTensor((Route(RAW, matching="conv|norm|empty"),), RAW).init(LAYOUT)  # the control


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "a route needs matching, max_numel or role"),
        ({"matching": "("}, "matching must be a regular expression"),
        ({"max_numel": -1}, "max_numel must be a whole number"),
        ({"role": "bias"}, "role must be one of weight, norm, head"),
    ],
)
def test_a_route_that_says_nothing_or_nonsense_is_refused(settings, words):
    made = {"name": "by_tensor", "routes": [{"codec": "bf16", **settings}], "default": "bf16"}
    with pytest.raises(ConfigError, match=words):
        codecs.build(made)


def test_routes_are_needed():
    with pytest.raises(ValueError, match="needs one route or more"):
        ByTensor((), RAW)


def test_routing_is_written_in_a_scenario_as_a_list_of_routes():
    made = codecs.build(
        {
            "name": "by_tensor",
            "routes": [{"matching": "bias", "codec": "lossless"}],
            "default": {"name": "topk", "ratio": 0.1},
        }
    )
    assert spec(made.body).startswith("by_tensor(routes=route(body=chain(")
    update = torch.ones(LAYOUT.dim)
    frame, _ = made.encode(update, LAYOUT, made.init(LAYOUT), STAMP)
    assert LAYOUT.views(made.decode(frame, LAYOUT))["conv.bias"].tolist() == [1.0] * 4


@pytest.mark.parametrize(
    ("bodies", "corrected", "unbiased"),
    [
        ((RAW, RAW), False, True),
        ((RAW, SPARSE), False, False),
        ((RAW, CORRECTED), True, False),
        ((SPARSE, CORRECTED), False, False),
        ((Chain((Bf16(),), build("raw")), CORRECTED), True, False),  # rounding drops nothing
    ],
)
def test_the_whole_is_as_good_as_its_weakest_route(bodies, corrected, unbiased):
    traits = ByTensor((Route(bodies[0], role="head"),), bodies[1]).traits
    assert (traits.corrected, traits.unbiased) == (corrected, unbiased)
    assert traits.lossy == (not unbiased)


# ── strangers' bytes ─────────────────────────────────────────────────────────────────────────────


def unpack(body, payload):
    return body.unpack(memoryview(payload), LAYOUT)


def test_cuts_and_surplus_are_corrupt_payloads():
    body = ByTensor((Route(SPARSE, role="head"),), RAW)
    _, frame, _, decoded = round_trip(body, torch.linspace(-1, 1, LAYOUT.dim))
    whole = frame[64:]
    for size in range(len(whole)):
        with pytest.raises(CorruptPayloadError):
            unpack(body, whole[:size])
    with pytest.raises(CorruptPayloadError, match="behind those of the last route"):
        unpack(body, whole + b"\0")
    assert unpack(body, whole).dense().tolist() == decoded.tolist()


@given(st.binary(max_size=60))
def test_whatever_the_bytes_are_the_only_error_is_corrupt_payload(payload):
    body = ByTensor((Route(SPARSE, role="head"),), RAW)
    try:
        packet = unpack(body, payload)
    except CorruptPayloadError:
        return
    assert packet.dense().shape == (LAYOUT.dim,)


def piece_of(share, density, draw):
    """A packet of a share: listed where it is thin, marked above, and dense at density 1."""
    dim = share.layout.dim
    there = draw.random(dim) < density
    values = draw.standard_normal(int(there.sum())).astype(np.float32)
    if density == 1:
        return Packet(share.layout, values=values)
    listed = Marks.where(there) if many(len(values), dim) else np.flatnonzero(there)
    return Packet(share.layout, values=values, positions=listed)


@given(st.lists(st.sampled_from([0, 0.1, 0.5, 0.9, 1]), min_size=2, max_size=2), SEEDS)
def test_joining_is_that_of_a_plain_loop_whatever_the_parts_are(densities, seed):
    draw = np.random.default_rng(seed)
    shares = [
        share for _, share in ByTensor((Route(RAW, matching="weight|empty"),), RAW).shares(LAYOUT)
    ]
    parts = [piece_of(*pair, draw) for pair in zip(shares, densities, strict=True)]
    slow, spans = np.zeros(LAYOUT.dim, dtype=np.float32), LAYOUT.spans()
    for share, part in zip(shares, parts, strict=True):
        own = share.layout.spans()
        for name, where in own.items():
            slow[spans[name]] = part.dense()[where]
    got = joined(LAYOUT, shares, parts)
    assert got.dense().tobytes() == slow.tobytes()
    assert (got.positions is None) == (1 in densities)
    if got.positions is not None:
        assert isinstance(got.positions, Marks) == many(len(got.numbers), LAYOUT.dim)
        assert len(got.places()) == sum(len(part.numbers) for part in parts)
