"""A stranger's update is looked at before it counts: what can not be used is named."""

from dataclasses import replace

import pytest
import torch
from test_payload import cargo, encoded, result

from fedplat.aggregators.mean import MAX_WEIGHT, Mean
from fedplat.codecs.float32 import Float32
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import Initialised, UpdateReceived
from fedplat.engine.intake import flaw
from fedplat.engine.plan import Plan, Selected
from fedplat.errors import DivergenceError, QuorumError
from fedplat.params import raw_bytes
from fedplat.protocols import Stamp
from fedplat.types import Digest, State, client_id

INF, NAN = float("inf"), float("nan")


def spoilt(one, where: str, value: float) -> bytes:
    """An update with one number of it replaced, in the first place or in the last."""
    update = result(one)
    named = {"update": update.update, **update.extras, **update.beside}
    named[where].view(-1)[-1] = value
    return encoded(one, update)


@pytest.mark.parametrize("name", ["fedavg", "scaffold", "qfedavg", "fednova"])
def test_a_sound_update_has_no_flaw(name):
    one = cargo(name)
    assert flaw(encoded(one), 12.0, one, 1) == ""
    assert flaw(encoded(one), 0.0, one, 1) == ""


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize(
    ("name", "where"),
    [("fedavg", "update"), ("scaffold", "control"), ("qfedavg", "curvature")],
)
def test_a_number_that_is_not_finite_is_found_wherever_it_stands(name, where, value):
    one = cargo(name)
    found = flaw(spoilt(one, where, value), 1.0, one, 1)
    assert found.endswith("is not finite")
    assert ("the update" if where == "update" else where) in found


@pytest.mark.parametrize("index", [0, 1, -1])
def test_it_is_found_at_either_end(index):
    one = cargo()
    update = result(one)
    update.update[index] = NAN
    assert flaw(encoded(one, update), 1.0, one, 1)


def test_infinities_that_cancel_are_found():
    one = cargo()
    update = result(one)
    update.update[0], update.update[1] = INF, -INF
    assert flaw(encoded(one, update), 1.0, one, 1)


def test_finite_numbers_whose_sum_overflows_are_no_flaw():
    one = cargo()
    update = result(one)
    update.update.fill_(torch.finfo(torch.float32).max)
    assert not torch.isfinite(update.update.sum())
    assert flaw(encoded(one, update), 1.0, one, 1) == ""
    update.update[3] = NAN
    assert flaw(encoded(one, update), 1.0, one, 1)


@pytest.mark.parametrize("weight", [-1.0, -1e-300, NAN, INF, -INF, 2.0**53 + 2, 1e300])
def test_a_weight_that_can_not_be_averaged_with_is_named(weight):
    one = cargo()
    found = flaw(encoded(one), weight, one, 1)
    assert str(weight) in found and "weight" in found


@pytest.mark.parametrize("weight", [0.0, 5e-324, 0.5, 1.0, 2.0**53])
def test_any_weight_that_intake_lets_pass_the_mean_takes(weight):
    one = cargo()
    assert flaw(encoded(one), weight, one, 1) == ""
    rule, update = Mean(), torch.ones(2)
    state = rule.add(rule.add(rule.init(2), update, weight), update, 1.0)
    assert rule.finish(state).tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="weight"):
        rule.add(rule.init(2), update, MAX_WEIGHT + 2)


def test_an_update_of_another_length_is_named():
    one = cargo("scaffold")
    payload = encoded(one)
    for broken in (b"", payload[:-1], payload[:3], payload + b"\0"):
        assert "corrupt" in flaw(broken, 1.0, one, 1)


def test_a_weight_is_no_divergence_and_an_update_that_is_not_finite_is():
    one = cargo()
    assert "finite" not in flaw(encoded(one), -1.0, one, 1)
    error = failure(flaw(encoded(one), -1.0, one, 1))
    assert isinstance(error, QuorumError) and "weight -1.0" in str(error)
    error = failure(flaw(spoilt(one, "update", NAN), 1.0, one, 1))
    assert isinstance(error, DivergenceError)
    assert "the update is not finite; lower the learning rate" in str(error)


def failure(found: str):
    """How a round of one client ends whose only update has this flaw."""
    client = client_id(0)
    machine = Coordinator(
        Plan(rounds=1, per_round=1, select=lambda round_id, time_s: (Selected(client),))
    )
    machine.handle(Initialised(0.0, Digest("b"), Digest("k"), Digest("m")))
    machine.handle(UpdateReceived(1.0, 1, client, Digest("u"), 8, 1.0, {}, found))
    return machine.failure


class Halves:
    """A codec whose frames say their round, as every framed codec's do; here in their last byte."""

    def init(self, layout):
        return State()

    def encode(self, update, layout, state, stamp):
        return bytes(raw_bytes(update)) + bytes([stamp.round_id]), state

    def decode(self, payload, layout):
        return Float32().decode(payload[:-1], layout)

    def stamp(self, payload, layout):
        return Stamp(round_id=payload[-1])


def test_an_update_that_was_made_for_another_round_is_refused():
    one = replace(cargo("fedavg"), codec=Halves())
    update = encoded(one, round_id=2)
    assert flaw(update, 1.0, one, 2) == ""
    found = flaw(update, 1.0, one, 3)
    assert found == "its frame was made for round 2, it was sent for 3"
