"""A client's state takes effect with its round's acknowledgement, and with no other."""

from fedplat.runtime.client_states import ClientStates
from fedplat.storage.memory import MemoryStates
from fedplat.types import client_id

A, B = client_id(0), client_id(1)


def test_a_state_takes_effect_once_its_round_is_acknowledged():
    states = ClientStates(MemoryStates())
    assert states.get(A) == b""
    states.stage(A, 3, b"new")
    assert states.get(A) == b""
    states.keep(A, 3)
    assert states.get(A) == b"new"
    assert states.get(B) == b""


def test_a_late_answer_about_an_older_round_touches_no_newer_state():
    states = ClientStates(MemoryStates())
    states.stage(A, 3, b"newer")
    states.drop(A, 2)
    states.keep(A, 2)
    assert states.get(A) == b""
    states.keep(A, 3)
    assert states.get(A) == b"newer"


def test_a_refused_state_is_forgotten():
    states = ClientStates(MemoryStates())
    states.stage(A, 3, b"refused")
    states.drop(A, 3)
    states.keep(A, 3)
    assert states.get(A) == b""


def test_no_state_is_no_entry():
    store = MemoryStates()
    ClientStates(store).stage(A, 3, b"")
    assert store.keys() == []
