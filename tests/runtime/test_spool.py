"""The spool names updates at once and makes them durable together; it loses none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedplat.errors import MissingBlobError, StorageError
from fedplat.params import digest_of
from fedplat.runtime.spool import Spool
from fedplat.storage.memory import MemoryBlobs


class CountedBlobs(MemoryBlobs):
    """Blobs in memory that remember their writes, and fail the first `failures` of them."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__()
        self.writes: list[int] = []
        self._failures = failures

    def put_named(self, blobs):
        self._failures -= 1
        if self._failures >= 0:
            raise StorageError(where="blobs", reason="no space left")
        super().put_named(blobs)
        self.writes.append(len(blobs))

    def has(self, digest) -> bool:
        return digest in self._blobs


def add(spool, payload):
    digest = digest_of(payload)
    spool.add(digest, payload)
    return digest


def test_a_blob_is_durable_after_the_next_sync():
    blobs = CountedBlobs()
    spool = Spool(blobs)
    digest = add(spool, b"update")
    assert not blobs.has(digest)
    spool.sync()
    assert bytes(blobs.get(digest)) == b"update"


def test_many_blobs_are_one_write_and_nothing_waiting_is_none():
    blobs = CountedBlobs()
    spool = Spool(blobs)
    for index in range(5):
        add(spool, bytes([index]))
    spool.sync()
    spool.sync()
    assert blobs.writes == [5]


def test_the_same_bytes_twice_are_one_blob():
    blobs = CountedBlobs()
    spool = Spool(blobs)
    add(spool, b"same")
    add(spool, b"same")
    add(spool, b"other")
    spool.sync()
    assert blobs.writes == [2]


def test_a_duplicate_does_not_count_towards_the_limit():
    blobs = CountedBlobs()
    spool = Spool(blobs, limit_bytes=10)
    for _ in range(50):
        add(spool, b"1234")
    assert blobs.writes == []


def test_beyond_the_limit_it_writes_by_itself():
    blobs = CountedBlobs()
    spool = Spool(blobs, limit_bytes=10)
    add(spool, b"12345")
    add(spool, b"67890")
    assert blobs.writes == []
    add(spool, b"x")
    assert blobs.writes == [3]
    add(spool, b"a single blob that is larger than the limit")
    assert blobs.writes == [3, 1]


def test_a_blob_can_be_looked_at_before_and_after_it_is_durable():
    spool = Spool(CountedBlobs())
    digest = add(spool, b"update")
    assert bytes(spool.peek(digest)) == b"update"
    spool.sync()
    assert bytes(spool.peek(digest)) == b"update"
    with pytest.raises(MissingBlobError):
        spool.peek(digest_of(b"never added"))


def test_nothing_is_lost_when_a_write_fails_and_is_repeated():
    blobs = CountedBlobs(failures=1)
    spool = Spool(blobs)
    digests = [add(spool, bytes([index])) for index in range(3)]
    with pytest.raises(StorageError, match="no space"):
        spool.sync()
    assert [bytes(spool.peek(digest)) for digest in digests] == [b"\0", b"\1", b"\2"]
    spool.sync()
    assert blobs.writes == [3] and all(map(blobs.has, digests))


def test_nothing_is_lost_when_the_write_at_the_limit_fails():
    blobs = CountedBlobs(failures=1)
    spool = Spool(blobs, limit_bytes=3)
    with pytest.raises(StorageError):
        add(spool, b"1234")
    assert add(spool, b"5") == digest_of(b"5")
    assert blobs.has(digest_of(b"1234")) and blobs.has(digest_of(b"5"))


@given(st.lists(st.binary(max_size=6)), st.integers(0, 20))
def test_whatever_was_added_is_there_whatever_the_limit(payloads, limit):
    blobs = MemoryBlobs()
    spool = Spool(blobs, limit_bytes=limit)
    digests = [add(spool, payload) for payload in payloads]
    assert [bytes(spool.peek(digest)) for digest in digests] == payloads
    spool.sync()
    assert [bytes(blobs.get(digest)) for digest in digests] == payloads
