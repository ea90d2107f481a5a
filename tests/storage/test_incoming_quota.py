"""How much may be kept, and for how long a blob that has come stays without being asked for."""

import hashlib

import pytest

from fedplat.errors import CorruptPayloadError, StorageError
from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import Incoming

QUOTA = 1000


def content(size, letter):
    payload = letter * size
    return payload, hashlib.sha256(payload).hexdigest()


class Spool:
    """An inbox with a quota over a folder; made again: a restart."""

    def __init__(self, folder, quota=QUOTA):
        self.blobs = FileBlobs(folder / "blobs")
        self.inbox = Incoming(self.blobs, folder / "incoming", quota_bytes=quota)

    def bring(self, payload, digest, stop=None):
        with self.inbox.open(digest, len(payload)) as receiving:
            receiving.write(payload[receiving.offset : stop])
            if receiving.offset == len(payload):
                receiving.finish()


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path)


FIRST, SECOND = content(600, b"1"), content(600, b"2")


def test_a_blob_over_the_quota_is_refused_in_bytes_and_taken_once_there_is_room(spool):
    spool.bring(*FIRST)
    with pytest.raises(
        StorageError, match="needs 600 bytes; 600 of the quota's 1000 are taken: 200 are missing"
    ) as refused:
        spool.bring(*SECOND)
    assert refused.value.retryable
    assert spool.inbox.offset(SECOND[1]) == 0
    spool.inbox.sweep()
    spool.blobs.collect(frozenset())
    spool.bring(*SECOND)
    assert spool.blobs.size_bytes == 600


def test_without_a_quota_the_same_blobs_are_taken(tmp_path):
    spool = Spool(tmp_path, quota=None)
    spool.bring(*FIRST)
    spool.bring(*SECOND)
    assert spool.blobs.size_bytes == 1200


def test_a_blob_that_fills_the_quota_to_its_last_byte_is_taken(spool):
    spool.bring(*content(QUOTA, b"1"))
    with pytest.raises(StorageError, match="1 are missing"):
        spool.bring(*content(1, b"2"))


def test_what_is_still_to_come_of_others_is_taken_already(spool):
    with spool.inbox.open(FIRST[1], 600), pytest.raises(StorageError, match="200 are missing"):
        spool.bring(*SECOND)
    spool.bring(*SECOND)


def test_a_beginning_counts_with_the_bytes_that_have_come_and_its_own_rest_follows(tmp_path):
    Spool(tmp_path).bring(*FIRST, stop=500)
    spool = Spool(tmp_path)
    with pytest.raises(StorageError, match="500 of the quota's 1000 are taken: 100 are missing"):
        spool.bring(*SECOND)
    spool.bring(*FIRST)
    assert spool.inbox.held(FIRST[1]) == 600


def test_what_was_dropped_or_collected_takes_nothing(spool):
    payload, digest = FIRST
    with pytest.raises(CorruptPayloadError, match="send them anew"):
        spool.bring(bytes(600), digest)
    spool.bring(*SECOND, stop=500)
    spool.inbox.collect(frozenset())
    spool.bring(payload, digest)
    assert spool.blobs.size_bytes == 600


def test_the_coordinators_own_blobs_are_never_refused_and_count(spool):
    spool.blobs.put(bytes(900))
    spool.blobs.put(bytes(901))
    with pytest.raises(StorageError, match="1801 of the quota's 1000"):
        spool.bring(*content(1, b"1"))


def test_a_blob_that_nobody_asked_for_goes_after_its_round_and_not_before(spool):
    spool.bring(*FIRST)
    assert spool.blobs.collect(frozenset()) == 0  # a commit while its sender is about to name it
    spool.inbox.sweep()
    assert spool.blobs.collect(frozenset()) == 600


def test_after_a_restart_it_has_the_same_time_again(tmp_path):
    Spool(tmp_path).bring(*FIRST)
    spool = Spool(tmp_path)
    assert spool.blobs.collect(frozenset()) == 0
    spool.inbox.sweep()
    assert spool.blobs.collect(frozenset()) == 600


def test_a_blob_that_is_named_stays_as_long_as_it_is(spool):
    spool.bring(*FIRST)
    for _ in range(3):
        spool.blobs.collect({FIRST[1]})
        spool.inbox.sweep()
    assert spool.inbox.held(FIRST[1]) == 600


def test_a_blob_that_comes_again_is_held_once(spool):
    spool.bring(*FIRST)
    spool.blobs.path(FIRST[1]).write_bytes(b"damaged")
    spool.bring(*FIRST)
    spool.inbox.sweep()
    assert spool.blobs.collect(frozenset()) == 600
