"""What every blob store promises."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from fedplat.errors import MissingBlobError
from fedplat.storage.files import FileBlobs
from fedplat.storage.memory import MemoryBlobs


@pytest.fixture(params=["memory", "files"])
def store(request, tmp_path):
    return MemoryBlobs() if request.param == "memory" else FileBlobs(tmp_path / "blobs")


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 20_000_000])
def test_a_blob_comes_back_as_it_was_put_under_its_sha256(store, size):
    payload = (b"fedplat!" * (size // 8 + 1))[:size]
    digest = store.put(payload)
    assert digest == hashlib.sha256(payload).hexdigest()
    assert bytes(store.get(digest)) == payload


def test_a_blob_may_be_put_as_a_view_and_the_view_may_change_afterwards(store):
    payload = bytearray(b"abcdef")
    digest = store.put(memoryview(payload)[2:4])
    payload[:] = b"......"
    assert bytes(store.get(digest)) == b"cd"


def test_a_blob_can_not_be_written_through_what_get_returns(store):
    view = store.get(store.put(b"abc"))
    with pytest.raises(TypeError, match="read-only"):
        view[0] = 0


def test_putting_the_same_bytes_again_changes_nothing(store):
    first, again = store.put(b"abc"), store.put(b"abc")
    assert first == again
    assert store.collect(frozenset()) == 3


def test_many_blobs_are_named_in_the_order_given_repetitions_included(store):
    payloads = [b"a", b"", b"b", b"a", b""]
    expected = [hashlib.sha256(payload).hexdigest() for payload in payloads]
    assert store.put_many(iter(payloads)) == expected
    assert [bytes(store.get(digest)) for digest in expected] == payloads
    assert store.put_many([]) == []


def test_many_blobs_are_taken_one_at_a_time_so_they_need_not_fit_in_memory(store):
    alive = []

    def generate():
        for i in range(5):
            alive.append(i)
            yield b"%d" % i

    assert len(store.put_many(generate())) == 5
    assert alive == list(range(5))


def test_a_digest_that_was_never_put_is_missing(store):
    digest = hashlib.sha256(b"never").hexdigest()
    with pytest.raises(MissingBlobError, match=digest):
        store.get(digest)


def test_collect_keeps_what_it_is_told_and_says_what_it_freed(store):
    kept, dropped = store.put(b"keep"), store.put(b"drop!")
    assert store.collect({kept, "0" * 64}) == len(b"drop!")
    assert bytes(store.get(kept)) == b"keep"
    with pytest.raises(MissingBlobError):
        store.get(dropped)
    assert store.collect({kept}) == 0


def test_a_view_outlives_the_blob_that_is_collected(store):
    digest = store.put(b"still here")
    view = store.get(digest)
    store.collect(frozenset())
    assert bytes(view) == b"still here"


def test_what_all_blobs_take_is_counted_as_they_come_and_go(store):
    assert store.size_bytes == 0
    kept = store.put(b"keep")
    store.put(b"")
    store.put_many([b"keep", b"drop!"])
    store.put_named({hashlib.sha256(b"abc").hexdigest(): b"abc"})
    assert store.size_bytes == 4 + 5 + 3
    assert len(store.digests()) == 4
    store.collect({kept})
    assert (store.size_bytes, store.digests()) == (4, {kept})


def test_a_blob_stays_until_it_was_let_go_as_often_as_it_was_held(store):
    digest = store.put(b"in use")
    store.in_use.hold(digest)
    with store.in_use.holding(digest):
        store.in_use.release(digest)
        assert store.collect(frozenset()) == 0
        assert bytes(store.get(digest)) == b"in use"
    assert store.collect(frozenset()) == len(b"in use")


def test_a_hold_that_nobody_took_can_not_be_let_go(store):
    digest = store.put(b"abc")
    for _ in range(2):
        with pytest.raises(ValueError, match="is not held"):
            store.in_use.release(digest)
    store.in_use.hold(digest)
    assert store.collect(frozenset()) == 0


def test_threads_may_put_and_get_the_same_blobs_at_once(store):
    payloads = [b"%d" % (i % 10) * 10_000 for i in range(100)]
    with ThreadPoolExecutor(8) as pool:
        digests = list(pool.map(store.put, payloads))
        assert [bytes(view) for view in pool.map(store.get, digests)] == payloads
