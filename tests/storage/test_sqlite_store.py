import signal
import sqlite3
import subprocess
import sys

import pytest

from fedplat.errors import StorageError
from fedplat.storage.sqlite import SqliteStore

WRITER = """
import sys
from pathlib import Path
from fedplat.storage.sqlite import SqliteStore

with SqliteStore(Path(sys.argv[1])) as store:
    while True:
        version = store.version
        store.append([b"first of %d" % version, b"second"], version)
        print(version + 2, flush=True)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.sqlite"


def test_what_was_appended_and_put_is_there_after_reopening(path):
    with SqliteStore(path) as store:
        store.append([b"a", b"b"], 0)
        store.put({"client-000000": b"state"})
    with SqliteStore(path) as store:
        assert list(store.read()) == [b"a", b"b"]
        assert store.get("client-000000") == b"state"
        assert store.append([b"c"], 2) == 3


@pytest.mark.slow
def test_every_append_that_returned_survives_kill_9_and_no_half_of_one_is_seen(path):
    for _ in range(2):
        command = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            acknowledged = [int(writer.stdout.readline()) for _ in range(10)]
            writer.send_signal(signal.SIGKILL)
            acknowledged += [int(line) for line in writer.stdout]
        with SqliteStore(path) as store:
            events = list(store.read())
        assert len(events) >= acknowledged[-1]
        assert len(events) % 2 == 0
        assert events[::2] == [b"first of %d" % i for i in range(0, len(events), 2)]


def test_a_second_writer_is_told_that_the_run_is_in_use(path):
    with SqliteStore(path) as store:
        store.append([b"a"], 0)
        with pytest.raises(StorageError, match=r"run\.sqlite.*another process uses this run"):
            SqliteStore(path)
    SqliteStore(path).close()


def test_a_file_that_is_no_database_is_named_and_left_alone(path):
    path.write_bytes(b"not a database, but long enough to have a header of its own " * 10)
    with pytest.raises(StorageError, match=r"run\.sqlite.*not a database.*restore it from a copy"):
        SqliteStore(path)
    assert path.read_bytes().startswith(b"not a database")


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_truncated_database_is_refused_when_it_is_opened(path, kept):
    with SqliteStore(path) as store:
        store.append([b"x" * 1000] * 200, 0)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(StorageError, match="restore it from a copy"):
        SqliteStore(path)


def test_a_log_with_a_hole_is_refused(path):
    with SqliteStore(path) as store:
        store.append([b"a", b"b", b"c"], 0)
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM events WHERE version = 1")
    database.close()
    with pytest.raises(StorageError, match="1 events are missing from the log"):
        SqliteStore(path)


def test_a_database_of_another_format_is_refused(path):
    with SqliteStore(path) as store:
        store.append([b"a"], 0)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 7")
    database.close()
    with pytest.raises(StorageError, match="format 7, this fedplat reads 1"):
        SqliteStore(path)


def test_a_read_only_database_says_what_to_do(path):
    with SqliteStore(path) as store:
        store.append([b"a"], 0)
        store._database.execute("PRAGMA query_only = ON")
        with pytest.raises(StorageError, match=r"readonly database; make the file .* writable"):
            store.append([b"b"], 1)


def test_a_folder_in_the_files_place_says_what_to_do(path):
    path.mkdir()
    with pytest.raises(StorageError, match=r"unable to open database file; check that the folder"):
        SqliteStore(path)


def test_a_file_in_the_folders_place_says_what_to_do(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(StorageError, match="check that the folder is there"):
        SqliteStore(tmp_path / "run" / "run.sqlite")


def test_a_closed_store_refuses_and_does_not_reopen(path):
    store = SqliteStore(path)
    store.close()
    with pytest.raises(StorageError, match="closed database"):
        store.append([b"a"], 0)


def test_commits_are_flushed_to_the_disk(path):
    with SqliteStore(path) as store:
        full = 2
        assert store._database.execute("PRAGMA synchronous").fetchone() == (full,)
        assert store._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
