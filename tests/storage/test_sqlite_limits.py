"""An event log on a disk that is full, and on one that can not be written."""

import hashlib
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fedplat.errors import StorageError
from fedplat.storage.sqlite import SqliteStore

FULL = """
import resource, signal, sys
from pathlib import Path
from fedplat.errors import StorageError
from fedplat.storage.sqlite import SqliteStore

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
store = SqliteStore(Path(sys.argv[1]))
for write in (
    lambda: store.append([b"x" * 10_000] * 3, store.version),
    lambda: store.put({"client-000000": b"y" * 50_000}),
):
    for attempt in range(100):
        try:
            write()
        except StorageError as error:
            print(error)
            break
print(store.append([b"small"], store.version), flush=True)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "store.sqlite"


def test_a_disk_that_takes_no_more_is_told_and_nothing_is_corrupted(path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, timeout=60
    )
    appended, put, version = done.stdout.splitlines()
    assert "disk I/O error; its disk, quota or the largest file allowed is used up" in appended
    assert "what was committed is kept (30,000 bytes and their index were to be written" in appended
    assert "50,000 bytes" in put
    with SqliteStore(path) as store:
        events = list(store.read())
        assert store.keys() == []
    assert len(events) == int(version) and events[-1] == b"small"
    assert len(events[:-1]) % 3 == 0 and set(events[:-1]) == {b"x" * 10_000}


def test_a_full_disk_says_how_much_is_free_and_the_next_append_may_succeed(path):
    with SqliteStore(path) as store:
        pages = store._database.execute("PRAGMA page_count").fetchone()[0]
        store._database.execute(f"PRAGMA max_page_count = {pages + 4}")
        with pytest.raises(StorageError, match=r"is full; free some disk space.*\(50,000 bytes"):
            store.append([b"x" * 50_000], 0)
        store._database.execute(f"PRAGMA max_page_count = {pages + 400}")
        assert store.append([b"x" * 50_000], 0) == 1


def fingerprint(folder):
    return {
        one.name: (hashlib.sha256(one.read_bytes()).hexdigest(), one.stat().st_mtime_ns)
        for one in sorted(folder.iterdir())
    }


def test_a_store_that_is_opened_to_read_writes_nothing_and_refuses_to(path):
    with SqliteStore(path) as store:
        store.append([b"a", b"b"], 0)
        store.put({"client-000000": b"state"})
    before = fingerprint(path.parent), path.parent.stat().st_mtime_ns
    with SqliteStore.to_read(path) as store:
        assert (list(store.read()), store.get("client-000000")) == ([b"a", b"b"], b"state")
        with pytest.raises(StorageError, match="readonly database; make the file .* writable"):
            store.append([b"c"], 2)
        assert list(store.read()) == [b"a", b"b"]
    assert (fingerprint(path.parent), path.parent.stat().st_mtime_ns) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from fedplat.storage.sqlite import SqliteStore

SqliteStore(Path(sys.argv[1])).append([b"a", b"b"], 0)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_read_too(path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], timeout=60)
    assert done.returncode == -signal.SIGKILL
    with SqliteStore.to_read(path) as store:
        assert list(store.read()) == [b"a", b"b"]


def test_a_store_that_another_process_holds_is_not_read(path):
    with SqliteStore(path) as store:
        store.append([b"a"], 0)
        with pytest.raises(StorageError, match="another process uses this run"):
            SqliteStore.to_read(path)


def test_a_store_that_is_not_there_is_not_made_by_reading(path):
    with pytest.raises(StorageError, match="unable to open database file; check that the folder"):
        SqliteStore.to_read(path)
    assert not path.parent.exists()


READ_ONLY = """
import os, sys
from pathlib import Path
from fedplat.errors import StorageError
from fedplat.storage.sqlite import SqliteStore

if os.geteuid() == 0:  # whom no permission stops
    os.seteuid(65534)
for attempt in (SqliteStore.to_read, SqliteStore):
    try:
        with attempt(Path(sys.argv[1])) as store:
            print(list(store.read()))
    except StorageError as error:
        print(error)
"""


@pytest.fixture
def medium():
    """A folder that other users reach too, and a file in it; pytest's own are root's alone."""
    folder = Path(tempfile.mkdtemp())
    yield folder / "store.sqlite"
    folder.chmod(0o755)
    shutil.rmtree(folder)


def read_only(path):
    """What comes of reading and of opening a file that nobody may write, in a folder like it."""
    for one in path.parent.iterdir():
        one.chmod(0o444)
    path.parent.chmod(0o555)
    return subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(path)], capture_output=True, text=True, timeout=60
    ).stdout.splitlines()


def test_a_log_on_a_read_only_medium_is_read_and_not_opened_for_writing(medium):
    with SqliteStore(medium) as store:
        store.append([b"a", b"b"], 0)
    read, refused = read_only(medium)
    assert read == "[b'a', b'b']"
    assert "is writable: a run on a read-only medium is copied to a place that is" in refused


def test_an_unfinished_log_on_a_read_only_medium_is_not_read_without_its_end(medium):
    subprocess.run([sys.executable, "-c", KILLED, str(medium)], timeout=60)
    told = read_only(medium)
    assert len(told) == 2 and all("is copied to a place" in one for one in told)
