import hashlib
import os
import random
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedplat.errors import CorruptPayloadError, ProtocolError, StorageError
from fedplat.storage import writeback
from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import AT_ONCE_BYTES, PIECE_BYTES, Incoming

CONTENT = random.Random(0).randbytes(3 * PIECE_BYTES + 17)
SIZE = len(CONTENT)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
OTHER = "ab" * 32


@pytest.fixture
def incoming(tmp_path):
    return over(tmp_path)


def over(folder, **options):
    """The inbox over a folder; made again: a restart."""
    return Incoming(FileBlobs(folder / "blobs"), folder / "incoming", **options)


def bring(incoming, content, digest=DIGEST, size=SIZE, piece=PIECE_BYTES):
    """Brings a part of a blob and stops."""
    with incoming.open(digest, size) as receiving:
        for start in range(0, len(content), piece):
            receiving.write(content[start : start + piece])


def settle(incoming, digest=DIGEST, size=SIZE):
    with incoming.open(digest, size) as receiving:
        receiving.finish()


def test_a_blob_that_came_in_pieces_is_among_the_blobs_and_leaves_nothing_behind(
    incoming, tmp_path
):
    assert incoming.held(DIGEST) is None
    bring(incoming, CONTENT, piece=100_001)
    settle(incoming)
    assert incoming.held(DIGEST) == len(CONTENT)
    assert FileBlobs(tmp_path / "blobs").get(DIGEST) == CONTENT
    assert not list((tmp_path / "incoming").iterdir())


def test_an_empty_blob_is_a_blob(incoming):
    digest = hashlib.sha256(b"").hexdigest()
    settle(incoming, digest, 0)
    assert incoming.held(digest) == 0


@pytest.mark.parametrize("come", [0, 1, PIECE_BYTES, PIECE_BYTES + 5, len(CONTENT)])
def test_what_has_come_is_there_after_a_restart_and_the_rest_follows(tmp_path, come):
    bring(over(tmp_path), CONTENT[:come])
    again = over(tmp_path)
    assert again.offset(DIGEST) == come
    with again.open(DIGEST, len(CONTENT)) as receiving:
        assert receiving.offset == come
        receiving.write(CONTENT[come:])
        receiving.finish()
    assert again.held(DIGEST) == len(CONTENT)


@given(st.lists(st.integers(1, len(CONTENT)), max_size=5))
def test_wherever_it_is_cut_the_same_blob_comes_out(tmp_path_factory, cuts):
    folder = tmp_path_factory.mktemp("cut")
    for cut in [*sorted(cuts), len(CONTENT)]:
        incoming = over(folder)
        bring(incoming, CONTENT[incoming.offset(DIGEST) : cut])
    settle(incoming)
    assert incoming.held(DIGEST) == len(CONTENT)


def test_other_bytes_are_dropped_and_the_right_ones_taken_after(incoming):
    bring(incoming, bytes(len(CONTENT)))
    with pytest.raises(CorruptPayloadError, match="send them anew"):
        settle(incoming)
    assert (incoming.offset(DIGEST), incoming.held(DIGEST)) == (0, None)
    bring(incoming, CONTENT)
    settle(incoming)
    assert incoming.held(DIGEST) == len(CONTENT)


def test_one_changed_bit_in_what_had_come_is_noticed_after_a_restart(tmp_path):
    bring(over(tmp_path), CONTENT[:-1])
    part = tmp_path / "incoming" / f"{DIGEST}.part"
    content = bytearray(part.read_bytes())
    content[1000] ^= 1
    part.write_bytes(content)
    again = over(tmp_path)
    bring(again, CONTENT[-1:])
    with pytest.raises(CorruptPayloadError):
        settle(again)


def test_more_bytes_than_the_blobs_are_refused_before_they_are_written(incoming):
    bring(incoming, CONTENT[:-1])
    with (
        incoming.open(DIGEST, len(CONTENT)) as receiving,
        pytest.raises(ProtocolError, match="more of them have come"),
    ):
        receiving.write(b"ab")
    assert incoming.offset(DIGEST) == len(CONTENT) - 1


def test_a_blob_that_ended_early_is_kept_and_not_settled(incoming):
    bring(incoming, CONTENT[:1000])
    with pytest.raises(ProtocolError, match=f"ended after 1000 of {len(CONTENT)} bytes"):
        settle(incoming)
    assert (incoming.offset(DIGEST), incoming.held(DIGEST)) == (1000, None)


def test_a_part_longer_than_the_blob_begins_anew(incoming):
    bring(incoming, CONTENT, digest=OTHER)
    with incoming.open(OTHER, 10) as receiving:
        assert receiving.offset == 0


def test_a_blob_comes_over_one_transfer_at_a_time_and_another_beside_it(incoming):
    with incoming.open(DIGEST, 10):
        with pytest.raises(ProtocolError, match="being received by another transfer"):
            incoming.open(DIGEST, 10)
        with incoming.open(OTHER, 10) as beside:
            assert beside.offset == 0
    with incoming.open(DIGEST, 10) as again:
        assert again.offset == 0


def test_collecting_removes_what_nobody_waits_for(incoming, tmp_path):
    third = "cd" * 32
    for digest in (DIGEST, OTHER, third):
        bring(incoming, bytes(100), digest)
    with incoming.open(OTHER, 200):
        assert incoming.collect({DIGEST}) == 100
    left = {part.stem for part in (tmp_path / "incoming").iterdir()}
    assert left == {DIGEST, OTHER}


def test_sweeping_removes_what_has_not_grown_since_the_last_time(incoming):
    third = "cd" * 32
    for digest in (DIGEST, OTHER, third):
        bring(incoming, bytes(100), digest)
    assert incoming.sweep() == 0
    bring(incoming, bytes(1), DIGEST)
    with incoming.open(OTHER, 200):
        assert incoming.sweep() == 100
    assert [incoming.offset(digest) for digest in (DIGEST, OTHER, third)] == [101, 100, 0]
    assert incoming.sweep() == 201


# ── the disk ─────────────────────────────────────────────────────────────────────────────────────


def test_too_little_room_is_told_in_bytes_before_any_is_taken(tmp_path):
    room = [400]
    incoming = over(tmp_path, free=lambda folder: room[0])
    with pytest.raises(StorageError, match="needs 1000 bytes: 600 are missing on the disk; free"):
        incoming.open(DIGEST, 1000)
    assert not list((tmp_path / "incoming").iterdir())
    room[0] = 1000
    bring(incoming, bytes(300), size=1000)
    room[0] = 700  # what has come needs no room any more
    bring(incoming, bytes(1), size=1000)


def test_room_that_is_due_to_others_is_not_promised_twice(tmp_path):
    incoming = over(tmp_path, free=lambda folder: 1500)
    with incoming.open(OTHER, 1000) as other:
        with pytest.raises(StorageError, match="beside 1000 that are due to others: 500 are"):
            incoming.open(DIGEST, 1000)
        other.write(bytes(500))
        with incoming.open(DIGEST, 1000):
            pass
    with incoming.open(DIGEST, 1000):
        pass


FULL = """
import resource, sys
from pathlib import Path
from fedplat.errors import StorageError
from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import Incoming

folder, content = Path(sys.argv[1]), bytes(range(256)) * 8192
incoming = Incoming(FileBlobs(folder / "blobs"), folder / "incoming")
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    with incoming.open(sys.argv[2], len(content)) as receiving:
        receiving.write(content)
except StorageError as error:
    print(error)
"""


def test_a_disk_that_takes_no_more_keeps_what_it_took_and_the_rest_follows(tmp_path):
    content = bytes(range(256)) * 8192
    digest = hashlib.sha256(content).hexdigest()
    told = run(FULL, tmp_path, digest)
    left = len(content) - 1_000_000
    assert f"{left} of {len(content)} bytes are still to come, the disk takes no more" in told
    assert "free some disk space: what has come is kept" in told
    incoming = over(tmp_path)
    assert (incoming.offset(digest), incoming.held(digest)) == (1_000_000, None)
    bring(incoming, content[1_000_000:], digest, len(content))
    settle(incoming, digest, len(content))
    assert incoming.held(digest) == len(content)


READ_ONLY = """
import os, sys
from pathlib import Path
from fedplat.errors import StorageError
from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import Incoming

os.chdir(sys.argv[1])
incoming = Incoming(FileBlobs(Path("blobs")), Path("incoming"))
for folder in ("incoming", "."):
    os.chmod(folder, 0o555)
if os.geteuid() == 0:  # whom no permission stops
    os.seteuid(65534)
for attempt in (
    lambda: incoming.open("ab" * 32, 10),
    lambda: Incoming(FileBlobs(Path("blobs")), Path("another")),
):
    try:
        attempt()
    except StorageError as error:
        print(error)
os.seteuid(os.getuid())
os.chmod(".", 0o755)
"""


def test_a_read_only_folder_is_named_with_what_to_check(tmp_path):
    told = run(READ_ONLY, tmp_path).splitlines()
    assert len(told) == 2
    assert "incoming" in told[0]
    assert "another" in told[1]
    for line in told:
        assert "Permission denied" in line
        assert "check the disk's free space and the folder's permissions" in line


def test_after_a_refusal_of_the_disk_the_blob_can_be_begun_again(incoming, tmp_path):
    part = tmp_path / "incoming" / f"{DIGEST}.part"
    part.mkdir()
    with pytest.raises(StorageError, match=rf"{DIGEST}.part"):
        incoming.open(DIGEST, len(CONTENT))
    part.rmdir()
    bring(incoming, CONTENT)
    settle(incoming)
    assert incoming.held(DIGEST) == len(CONTENT)


def test_a_flush_that_fails_at_the_end_is_told_and_the_blob_can_be_settled_later(incoming):
    with incoming.open(DIGEST, SIZE) as receiving:
        receiving.write(CONTENT)
        file = receiving._file
        with open(os.devnull) as unflushable:  # stands for a disk that failed
            receiving._file = unflushable
            with pytest.raises(StorageError, match="check the disk"):
                receiving.finish()
        receiving._file = file
    assert incoming.held(DIGEST) is None
    settle(incoming)
    assert incoming.held(DIGEST) == SIZE


def test_the_disk_is_asked_to_write_a_large_blob_on_its_way_whatever_its_pieces(incoming):
    size = 2 * AT_ONCE_BYTES + 1
    with incoming.open(OTHER, size) as receiving:
        begun = []
        while receiving.offset < size:
            receiving.write(bytes(min(3_000_000, size - receiving.offset)))
            begun.append(receiving._begun)
    assert begun[0] == 0
    assert begun[-1] >= AT_ONCE_BYTES
    steps = [after - before for before, after in pairwise(begun)]
    assert all(step == 0 or AT_ONCE_BYTES <= step < AT_ONCE_BYTES + 3_000_000 for step in steps)


def test_to_begin_to_write_promises_nothing_and_hurts_nothing(tmp_path):
    with (tmp_path / "file").open("wb", buffering=0) as file:
        file.write(CONTENT)
        writeback.begin(file.fileno(), 0, SIZE)
        writeback.begin(file.fileno(), 10 * SIZE, SIZE)
    assert (tmp_path / "file").read_bytes() == CONTENT
    writeback.begin(-1, 0, 1)


# ── memory ───────────────────────────────────────────────────────────────────────────────────────

MEASURE = """
import hashlib, sys
from pathlib import Path
from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import PIECE_BYTES, Incoming

pieces, folder = 64, Path(sys.argv[1])
hashed = hashlib.sha256()
for number in range(pieces):
    hashed.update(bytes([number]) * PIECE_BYTES)
incoming = Incoming(FileBlobs(folder / "blobs"), folder / "incoming")

def anonymous_mb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("RssAnon"))

before = most = anonymous_mb()
kept = []
with incoming.open(hashed.hexdigest(), pieces * PIECE_BYTES) as receiving:
    for number in range(pieces):
        piece = bytes([number]) * PIECE_BYTES
        receiving.write(piece)
        most = max(most, anonymous_mb())
        if sys.argv[2] == "keep":
            kept.append(piece)
    receiving.finish()
print(most - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("kept", "least", "most"), [("drop", 0, 16), ("keep", 48, 100)])
def test_a_blob_of_64_mb_takes_the_memory_of_a_few_pieces(tmp_path, kept, least, most):
    assert least <= int(run(MEASURE, tmp_path, kept)) <= most


def run(program, *arguments):
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return done.stdout
