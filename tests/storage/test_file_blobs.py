import hashlib
import os
import signal
import subprocess
import sys

import pytest

from fedplat.errors import MissingBlobError, StorageError
from fedplat.storage.files import FileBlobs

WRITER = """
import sys
from itertools import count
from pathlib import Path
from fedplat.storage.files import FileBlobs

blobs = FileBlobs(Path(sys.argv[1]))
for i in count():
    print(*blobs.put_many(b"%d" % i * 300_000 + b"%d" % j for j in range(3)), flush=True)
"""


@pytest.fixture
def root(tmp_path):
    return tmp_path / "blobs"


def file_of(root, digest):
    return root / digest[:2] / digest


def test_blobs_are_there_for_another_process_under_their_digest(root):
    digest = FileBlobs(root).put(b"abc")
    assert file_of(root, digest).read_bytes() == b"abc"
    assert bytes(FileBlobs(root).get(digest)) == b"abc"


@pytest.mark.slow
def test_every_blob_that_was_put_survives_kill_9_and_none_is_half_there(root):
    command = [sys.executable, "-c", WRITER, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        acknowledged = writer.stdout.readline().split() + writer.stdout.readline().split()
        writer.send_signal(signal.SIGKILL)
        writer.stdout.read()
    blobs = FileBlobs(root)
    for path in root.glob("??/*"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    assert all(len(blobs.get(digest)) > 300_000 for digest in acknowledged)
    blobs.collect(frozenset())
    assert not [path for path in root.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[:-1], lambda content: b"", lambda content: b"X" + content[1:]],
)
def test_a_truncated_or_altered_file_is_never_served(root, damage):
    digest = FileBlobs(root).put(b"abc" * 1000)
    path = file_of(root, digest)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(StorageError, match=rf"{digest}.*restore it from a copy"):
        FileBlobs(root).get(digest)


def test_a_file_that_is_altered_after_it_was_read_is_looked_at_again(root):
    blobs = FileBlobs(root)
    digest = blobs.put(b"abc")
    assert bytes(blobs.get(digest)) == b"abc"
    path = file_of(root, digest)
    path.write_bytes(b"abX")
    os.utime(path, ns=(1, 1))
    with pytest.raises(StorageError, match="the 3 bytes are not the ones"):
        blobs.get(digest)


def test_putting_a_blob_again_repairs_a_damaged_file(root):
    blobs = FileBlobs(root)
    digest = blobs.put(b"abc")
    file_of(root, digest).write_bytes(b"ab")
    assert blobs.put(b"abc") == digest
    assert bytes(blobs.get(digest)) == b"abc"


def test_a_file_that_was_deleted_is_missing(root):
    blobs = FileBlobs(root)
    digest = blobs.put(b"abc")
    file_of(root, digest).unlink()
    with pytest.raises(MissingBlobError, match=digest):
        blobs.get(digest)


def test_a_payload_that_fails_half_way_leaves_nothing_behind(root):
    def generate():
        yield b"abc"
        raise LookupError

    with pytest.raises(LookupError):
        FileBlobs(root).put_many(generate())
    assert not [path for path in root.rglob("*") if path.is_file()]


def test_reading_does_not_copy_the_file_into_memory(root):
    blobs = FileBlobs(root)
    view = blobs.get(blobs.put(bytes(1000)))
    assert type(view.obj).__name__ == "mmap"


def test_a_file_in_the_folders_place_says_what_to_do(tmp_path):
    (tmp_path / "blobs").write_text("")
    with pytest.raises(StorageError, match="check the disk's free space and the folder's perm"):
        FileBlobs(tmp_path / "blobs")


def test_what_all_blobs_take_is_known_after_a_restart(tmp_path):
    FileBlobs(tmp_path).put_many([b"abc", b"de"])
    again = FileBlobs(tmp_path)
    assert again.size_bytes == 5
    assert again.put(b"abc") in again.digests()
    assert again.size_bytes == 5


FULL = """
import resource, sys
from pathlib import Path
from fedplat.errors import StorageError
from fedplat.storage.files import FileBlobs

blobs = FileBlobs(Path(sys.argv[1]))
small = blobs.put(b"small")
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    blobs.put_many([b"first", bytes(3_000_000), b"last"])
except StorageError as error:
    print(error)
print(blobs.size_bytes, bytes(blobs.get(small)))
"""


def test_a_disk_that_takes_no_more_is_told_in_bytes_and_leaves_nothing_half(tmp_path):
    command = [sys.executable, "-c", FULL, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    told, after = done.stdout.splitlines()
    assert "3000000 bytes are to be written" in told
    assert "are missing; free some disk space" in told
    assert after == "5 b'small'"
    assert [one.name for one in tmp_path.rglob("*.part")] == []
    again = FileBlobs(tmp_path)
    assert again.size_bytes == 5
    digest = again.put(bytes(3_000_000))
    assert len(again.get(digest)) == 3_000_000


def test_a_file_where_a_folder_must_be_is_told_and_corrupts_nothing(tmp_path):
    blobs = FileBlobs(tmp_path)
    kept = blobs.put(b"kept")
    digest = hashlib.sha256(b"abc").hexdigest()
    (tmp_path / digest[:2]).write_text("in the way")
    with pytest.raises(StorageError, match=digest[:2]):
        blobs.put(b"abc")
    assert bytes(blobs.get(kept)) == b"kept"
    assert list(tmp_path.glob("*.part")) == []
    (tmp_path / digest[:2]).unlink()
    assert bytes(blobs.get(blobs.put(b"abc"))) == b"abc"


def test_what_is_collected_is_out_of_the_store_before_its_file_is_freed(tmp_path):
    jobs = []
    blobs = FileBlobs(tmp_path, jobs.append)
    one, other = blobs.put(b"old"), blobs.put(b"kept")
    assert blobs.collect({other}) == 3
    with pytest.raises(MissingBlobError):
        blobs.get(one)
    assert blobs.put(b"old") == one  # the same bytes again, while the old file waits
    for job in jobs:
        job()
    assert bytes(blobs.get(one)) == b"old" and bytes(blobs.get(other)) == b"kept"
    assert list(tmp_path.glob("*.part")) == []


def test_a_file_that_was_not_freed_in_time_is_freed_by_the_next_collection(tmp_path):
    blobs = FileBlobs(tmp_path, lambda job: None)
    blobs.put(b"old")
    blobs.collect(frozenset())
    assert len(list(tmp_path.glob("*.part"))) == 1
    FileBlobs(tmp_path).collect(frozenset())
    assert list(tmp_path.glob("*.part")) == []
