"""What every state store promises."""

import pytest

from fedplat.errors import StorageError
from fedplat.storage.memory import MemoryStates
from fedplat.storage.sqlite import SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    if request.param == "memory":
        yield MemoryStates()
    else:
        with SqliteStore(tmp_path / "run.sqlite") as opened:
            yield opened


def test_a_key_that_was_never_put_has_no_value(store):
    assert store.get("client-000000") is None
    assert store.keys() == []


def test_the_last_value_counts_and_an_empty_one_is_a_value(store):
    store.put({"client-000000": b"old", "client-000001": b""})
    store.put({"client-000000": b"new"})
    assert store.get("client-000000") == b"new"
    assert store.get("client-000001") == b""


def test_keys_stand_in_the_order_of_their_bytes(store):
    names = ["b", "a/pending", "ä", "Z", "a", "𝄞", "￿"]
    store.put(dict.fromkeys(names, b"x"))
    assert store.keys() == sorted(names, key=str.encode)


def test_none_removes_a_key_together_with_the_other_changes(store):
    store.put({"client/pending": b"2", "client": b"1"})
    store.put({"client": b"2", "client/pending": None, "never-there": None})
    assert store.keys() == ["client"]
    assert store.get("client") == b"2"


def test_no_change_at_all_is_allowed(store):
    store.put({})
    assert store.keys() == []


def test_a_change_that_fails_leaves_all_as_it_was(store):
    store.put({"a": b"1"})
    with pytest.raises((StorageError, TypeError)):
        store.put({"a": b"2", "b": object()})
    assert store.get("a") == b"1"
    assert store.keys() == ["a"]
