"""The cargo of the blobs: what goes in comes out, and damaged bytes are refused as corrupt."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fedplat import algorithms
from fedplat.codecs.float32 import Float32
from fedplat.engine.payload import Cargo
from fedplat.errors import CorruptPayloadError
from fedplat.learning.layouts import params_of
from fedplat.protocols import ClientResult, ServerState, Stamp
from fedplat.types import State

NEEDED = {
    "ditto": {"lam": 0.1},
    "fedadagrad": {"server_lr": 0.1},
    "fedadam": {"server_lr": 0.1},
    "feddyn": {"alpha": 0.1},
    "fedprox": {"mu": 0.1},
    "fedrep": {"head_epochs": 1},
    "fedyogi": {"server_lr": 0.1},
    "qfedavg": {"q": 1.0},
}
EVERY = sorted(algorithms.BY_NAME)


def module() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))


def cargo(name: str = "fedavg") -> Cargo:
    part = {"name": name, **NEEDED.get(name, {})}
    return Cargo(algorithms.build(part), Float32(), params_of(module()))


def random(shape, dtype, generator):
    values = torch.randn(shape, generator=generator)
    return values.to(dtype) if dtype.is_floating_point else (values * 100).to(dtype)


def result(one: Cargo, seed: int = 1) -> ClientResult:
    """An update with everything that the algorithm sends along."""
    draw = partial(random, generator=torch.Generator().manual_seed(seed))
    shapes = {"vector": (one.shared.num_trainable,), "scalar": ()}
    kinds = one.algorithm.extra_kinds
    return ClientResult(
        draw((one.shared.dim,), torch.float32),
        weight=3.0,
        beside={spec.name: draw(spec.shape, spec.dtype) for spec in one.shared.beside},
        extras={name: draw(shapes[kind], torch.float32) for name, kind in kinds.items()},
    )


def encoded(one: Cargo, update: ClientResult | None = None, round_id: int = 1) -> bytes:
    update = update or result(one)
    stamp = Stamp(round_id=round_id)
    frame, _ = one.codec.encode(update.update, one.shared, State(), stamp)
    return one.encode_update(update, frame)


def assert_equal(found, wanted) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)


@pytest.mark.parametrize("name", EVERY)
def test_an_update_comes_out_as_it_went_in_with_all_that_goes_with_it(name):
    one = cargo(name)
    update = result(one)
    decoded = one.decode_update(encoded(one, update))
    assert torch.equal(decoded.update, update.update)
    assert_equal(decoded.beside, update.beside)
    assert_equal(decoded.extras, update.extras)
    assert decoded.beside.keys() == {spec.name for spec in one.shared.beside}


def test_some_algorithm_sends_extras_and_the_model_has_tensors_beside_the_vector():
    kinds = {kind for name in EVERY for kind in cargo(name).algorithm.extra_kinds.values()}
    assert kinds == {"vector", "scalar"}
    assert [spec.name for spec in cargo().shared.beside] == ["1.num_batches_tracked"]


@pytest.mark.parametrize("name", EVERY)
def test_the_most_that_an_update_may_take_is_twice_what_it_takes_as_float32(name):
    one = cargo(name)
    assert one.update_limit_bytes == 2 * len(encoded(one)) + 2**20


@pytest.mark.parametrize("name", EVERY)
def test_a_broadcast_comes_out_as_it_went_in_and_has_the_size_that_is_said(name):
    one = cargo(name)
    first = one.first
    draw = partial(random, generator=torch.Generator().manual_seed(2))
    state = ServerState(
        first.params.with_vector(draw((one.shared.dim,), torch.float32)),
        {key: draw(tensor.shape, tensor.dtype) for key, tensor in first.down.items()},
        {key: draw(tensor.shape, tensor.dtype) for key, tensor in first.kept.items()},
    )
    broadcast, kept = one.encode_broadcast(state), one.encode_kept(state)
    assert len(broadcast) == one.broadcast_bytes
    found = one.decode_server(memoryview(broadcast), memoryview(kept))
    assert found.params.digest() == state.params.digest()
    assert_equal(found.down, state.down)
    assert_equal(found.kept, state.kept)


@pytest.mark.parametrize("name", ["fedavg", "scaffold", "qfedavg", "fedbn"])
def test_an_update_of_any_other_length_is_refused_as_corrupt(name):
    one = cargo(name)
    payload = encoded(one)
    for length in range(len(payload)):
        with pytest.raises(CorruptPayloadError):
            one.decode_update(payload[:length])
    for more in (b"\0", payload):
        with pytest.raises(CorruptPayloadError):
            one.decode_update(payload + more)


@pytest.mark.parametrize("name", ["fedavg", "scaffold"])
def test_a_broadcast_of_any_other_length_is_refused_as_corrupt(name):
    one = cargo(name)
    payload = bytes(one.encode_broadcast(one.first))
    for broken in (*(payload[:length] for length in range(len(payload))), payload + b"\0"):
        with pytest.raises(CorruptPayloadError):
            one.decode_broadcast(broken)


@given(st.binary(max_size=200))
def test_whatever_bytes_come_they_decode_or_are_corrupt(payload):
    one = cargo("scaffold")
    try:
        one.decode_update(payload)
    except CorruptPayloadError:
        return
    assert len(payload) == len(encoded(one))


def test_what_the_coordinator_keeps_is_refused_where_it_is_cut():
    one = cargo("fedadam")
    kept = one.encode_kept(one.first)
    assert one.first.kept  # a control: there is something to cut
    broadcast = memoryview(one.encode_broadcast(one.first))
    for length in range(len(kept)):
        with pytest.raises(CorruptPayloadError):
            one.decode_server(broadcast, memoryview(kept[:length]))


@pytest.mark.parametrize(("name", "role"), [("fedbn", "norm"), ("fedper", "head")])
def test_personal_tensors_do_not_travel(name, role):
    one = cargo(name)
    roles = {spec.role for spec in one.shared.specs}
    assert role not in roles and roles
    assert role in {spec.role for spec in cargo("fedavg").shared.specs}
    assert len(encoded(one)) < len(encoded(cargo("fedavg")))


def test_the_order_of_an_algorithms_extras_is_not_that_of_the_dictionary():
    one = cargo("scaffold")
    update = result(one)
    again = replace(update, extras=dict(reversed(update.extras.items())))
    assert encoded(one, again) == encoded(one, update)


def test_an_update_is_no_larger_than_its_numbers():
    one = cargo()
    assert len(encoded(one)) == 4 * one.shared.dim + 8  # one int64 counter beside it
    plain = Cargo(algorithms.build({"name": "fedavg"}), Float32(), params_of(nn.Linear(3, 2)))
    assert len(encoded(plain)) == 4 * 8
