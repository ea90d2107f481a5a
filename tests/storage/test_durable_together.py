"""Blobs that come in the same moment are flushed side by side, and said to be here only then."""

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Event, active_count

import pytest

from fedplat.storage import files
from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import Incoming, PieceHash

PATIENCE_S = 10.0


def named_alike(count):
    """Contents whose digests begin with the same two letters: they share a folder."""
    found, number = {}, 0
    while True:
        content = b"%d" % number
        digest = hashlib.sha256(content).hexdigest()
        alike = found.setdefault(digest[:2], [])
        alike.append((digest, content))
        if len(alike) == count:
            return alike
        number += 1


class SlowDisk:
    """Flushes a folder when it is let; counts what was flushed, and what is waiting."""

    def __init__(self, flush):
        self.flush, self.let, self.asked = flush, Event(), Event()
        self.flushed = Counter()

    def __call__(self, folder):
        self.asked.set()
        assert self.let.wait(PATIENCE_S)
        self.flush(folder)
        self.flushed[folder.name] += 1


@pytest.fixture
def disk(monkeypatch):
    slow = SlowDisk(files._flush_folder)
    monkeypatch.setattr(files, "_flush_folder", slow)
    return slow


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as threads:
        yield threads


def bring(incoming, digest, content):
    with incoming.open(digest, len(content)) as receiving:
        receiving.write(content)
        receiving.finish()


def test_a_blob_is_said_to_be_here_once_its_name_is_durable_and_not_before(tmp_path, disk, pool):
    ((digest, content),) = named_alike(1)
    incoming = Incoming(FileBlobs(tmp_path / "blobs"), tmp_path / "incoming")
    brought = pool.submit(bring, incoming, digest, content)
    assert disk.asked.wait(PATIENCE_S)
    assert (tmp_path / "blobs" / digest[:2] / digest).exists()
    assert incoming.held(digest) is None
    disk.let.set()
    brought.result(PATIENCE_S)
    assert incoming.held(digest) == len(content)


def test_who_puts_a_blob_that_is_just_being_adopted_flushes_its_name_too(tmp_path, disk, pool):
    ((digest, content),) = named_alike(1)
    blobs = FileBlobs(tmp_path / "blobs")
    incoming = Incoming(blobs, tmp_path / "incoming")
    brought = pool.submit(bring, incoming, digest, content)
    assert disk.asked.wait(PATIENCE_S)
    put = pool.submit(blobs.put, content)
    assert not put.done()
    disk.let.set()
    assert put.result(PATIENCE_S) == digest
    brought.result(PATIENCE_S)
    assert disk.flushed[digest[:2]] == 2
    assert disk.flushed["blobs"] == 2  # the folder is new: its own name is flushed by both


def test_who_comes_second_into_a_new_folder_flushes_the_folder_s_name_too(tmp_path, disk, pool):
    first, second, third = named_alike(3)
    incoming = Incoming(FileBlobs(tmp_path / "blobs"), tmp_path / "incoming")
    brought = [pool.submit(bring, incoming, *first)]
    assert disk.asked.wait(PATIENCE_S)
    disk.asked.clear()
    brought.append(pool.submit(bring, incoming, *second))
    assert disk.asked.wait(PATIENCE_S)
    disk.let.set()
    for one in brought:
        one.result(PATIENCE_S)
    assert disk.flushed["blobs"] == 2
    bring(incoming, *third)
    assert disk.flushed["blobs"] == 2  # the folder has been made durable before
    assert disk.flushed[third[0][:2]] == 3


def test_a_slow_flush_of_one_blob_does_not_keep_another_from_its_own(tmp_path, disk, pool):
    (first, second) = named_alike(2)
    incoming = Incoming(FileBlobs(tmp_path / "blobs"), tmp_path / "incoming")
    brought = pool.submit(bring, incoming, *first)
    assert disk.asked.wait(PATIENCE_S)
    disk.asked.clear()
    other = pool.submit(bring, incoming, *second)
    assert disk.asked.wait(PATIENCE_S)  # both are at the disk
    disk.let.set()
    brought.result(PATIENCE_S)
    other.result(PATIENCE_S)


def test_one_piece_is_hashed_without_a_thread_and_several_as_one():
    before = active_count()
    alone = PieceHash()
    alone.update(b"abc")
    assert active_count() == before
    several = PieceHash()
    for piece in (b"a", b"b", b"c"):
        several.update(piece)
    assert active_count() == before + 1
    expected = hashlib.sha256(b"abc").hexdigest()
    assert alone.digest() == several.digest() == alone.digest() == expected
    assert PieceHash().digest() == hashlib.sha256(b"").hexdigest()
    assert active_count() == before
