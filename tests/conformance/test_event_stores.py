"""What every event store promises."""

import threading

import pytest

from fedplat.errors import StorageError
from fedplat.storage.memory import MemoryEvents
from fedplat.storage.sqlite import SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    if request.param == "memory":
        yield MemoryEvents()
    else:
        with SqliteStore(tmp_path / "run.sqlite") as opened:
            yield opened


def test_a_new_log_is_empty_and_at_version_zero(store):
    assert store.version == 0
    assert list(store.read()) == []


def test_events_come_back_in_order_from_any_version(store):
    events = [str(i).encode() for i in range(600)]
    assert store.append(events[:599], 0) == 599
    assert store.append(events[599:], 599) == 600
    for start in (0, 1, 255, 256, 257, 512, 599, 600):
        assert list(store.read(start)) == events[start:]


def test_a_version_beyond_the_log_or_below_zero_is_refused(store):
    store.append([b"a"], 0)
    for version in (2, -1):
        with pytest.raises(StorageError, match="at version 1, it can not be read from"):
            store.read(version)


def test_nothing_and_empty_and_large_events_are_events_like_others(store):
    assert store.append([], 0) == 0
    large = bytes(range(256)) * 40_000
    assert store.append([b"", large, b""], 0) == 3
    assert list(store.read()) == [b"", large, b""]


def test_an_append_to_another_version_than_expected_writes_nothing(store):
    store.append([b"a", b"b"], 0)
    for stale in (0, 1, 3):
        with pytest.raises(StorageError, match=rf"at version 2, the writer expected {stale}"):
            store.append([b"c"], stale)
    assert list(store.read()) == [b"a", b"b"]


def test_of_concurrent_appends_that_expect_one_version_exactly_one_succeeds(store):
    outcomes, start = [], threading.Barrier(8)

    def append(name):
        start.wait()
        try:
            outcomes.append(store.append([name, name], 0))
        except StorageError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=append, args=(b"%d" % i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome for outcome in outcomes if not isinstance(outcome, StorageError)] == [2]
    assert sum(isinstance(outcome, StorageError) for outcome in outcomes) == 7
    first, second = store.read()
    assert first == second


def test_a_failed_append_leaves_none_of_its_events(store):
    store.append([b"a"], 0)
    with pytest.raises((StorageError, TypeError)):
        store.append([b"b", object()], 1)
    assert list(store.read()) == [b"a"]
    assert store.append([b"b"], 1) == 2


def test_a_reader_sees_the_log_as_it_was_when_it_began(store):
    store.append([b"a", b"b"], 0)
    reader = store.read()
    assert next(reader) == b"a"
    store.append([b"c"], 2)
    assert list(reader) == [b"b"]
