"""What every algorithm sends and remembers survives being bytes, and a round goes on from them."""

import pytest
import torch
from quadratic import REQUIRED, ROLES, Quadratic, mean, samples

from fedplat.algorithms import BY_NAME, build
from fedplat.algorithms.program import run_program
from fedplat.codecs.float32 import Float32
from fedplat.engine.payload import Cargo
from fedplat.params import decode_state, encode_state, tensors_digest
from fedplat.protocols import Broadcast, ClientResult, Stamp
from fedplat.types import State, TrainSettings

LEARNER = Quadratic(TrainSettings(lr=0.1, epochs=2), ROLES)
CLIENTS = [
    samples([1.0, 2.0, 1.0, 0.5, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0], count=1),
    samples([2.0, 1.0, 0.5, 1.0, 2.0], [-1.0, 0.0, 1.0, 0.0, 2.0], count=3),
    samples([1.0, 1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0, 0.0], count=0),
]


def as_it_is(cargo, state):
    return state


def as_bytes(cargo, state):
    """A server state, a client's update or a client's state, encoded and decoded again."""
    if isinstance(state, State):
        return decode_state(encode_state(state))
    if isinstance(state, ClientResult):
        frame, _ = cargo.codec.encode(state.update, cargo.shared, State(), Stamp())
        sent = cargo.decode_update(cargo.encode_update(state, frame))
        return ClientResult(sent.update, state.weight, {}, sent.beside, sent.extras, state.state)
    broadcast, kept = cargo.encode_broadcast(state), cargo.encode_kept(state)
    return cargo.decode_server(memoryview(broadcast), memoryview(kept))


def rounds(algorithm, travel):
    cargo = Cargo(algorithm, Float32(), LEARNER.initial())
    state, states = cargo.first, [State()] * 3
    for round_id in (1, 2, 3):
        state = travel(cargo, state)
        broadcast = Broadcast(
            round_id, state.params, state.down, LEARNER.initial(), LEARNER.settings
        )
        results = []
        for index, data in enumerate(CLIENTS):
            program = algorithm.client(broadcast, states[index], len(data.train))
            result = run_program(program, LEARNER, data, seed=index)
            states[index] = travel(cargo, result.state)
            results.append(travel(cargo, result))
        state = algorithm.server(state, mean(results, registered=3))
    return state, states


@pytest.mark.parametrize("name", BY_NAME)
def test_three_rounds_over_bytes_are_three_rounds(name):
    algorithm = build({"name": name, **REQUIRED.get(name, {})})
    (plain, plain_states), (sent, sent_states) = (
        rounds(algorithm, travel) for travel in (as_it_is, as_bytes)
    )
    assert sent.params.digest() == plain.params.digest()
    assert not torch.equal(plain.params.vector, torch.zeros_like(plain.params.vector))
    for mine, theirs in zip(plain_states, sent_states, strict=True):
        assert tensors_digest(mine.tensors) == tensors_digest(theirs.tensors)


@pytest.mark.parametrize("name", BY_NAME)
def test_who_remembers_something_says_so(name):
    algorithm = build({"name": name, **REQUIRED.get(name, {})})
    _, states = rounds(algorithm, as_it_is)
    assert algorithm.stateful == bool(states[0].tensors)
    assert not states[2].tensors  # a client without samples has nothing to remember


@pytest.mark.parametrize("name", BY_NAME)
def test_clients_change_nothing_that_they_were_given(name):
    algorithm = build({"name": name, **REQUIRED.get(name, {})})
    cargo = Cargo(algorithm, Float32(), LEARNER.initial())
    state = cargo.first
    broadcast = Broadcast(1, state.params, state.down, LEARNER.initial(), LEARNER.settings)
    before = state.params.digest(), tensors_digest(state.down), tensors_digest(state.kept)
    remembered = State()
    for _ in range(2):
        digest = tensors_digest(remembered.tensors)
        program = algorithm.client(broadcast, remembered, 3)
        result = run_program(program, LEARNER, CLIENTS[1], seed=1)
        assert tensors_digest(remembered.tensors) == digest
        remembered = result.state
    algorithm.server(state, mean([result], registered=2))
    assert before == (state.params.digest(), tensors_digest(state.down), tensors_digest(state.kept))
