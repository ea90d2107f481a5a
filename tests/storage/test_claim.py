"""A claim: one daemon a folder, and a sign of life that no kill can leave behind."""

import os
import signal
import subprocess
import sys

import pytest

from fedplat.errors import ConfigError, QuorumError, StorageError
from fedplat.storage import claim
from fedplat.storage.claim import Claim, look


def test_a_folder_that_nobody_claimed_says_so(tmp_path):
    assert look(tmp_path) is None and look(tmp_path / "none") is None


def test_a_claim_is_seen_with_what_was_told_and_gone_when_it_ends(tmp_path):
    with Claim(tmp_path / "run") as held:
        held.tell(address="localhost:7")
        seen = look(tmp_path / "run")
        assert seen == {"pid": os.getpid(), "address": "localhost:7", "running": True}
    ended = look(tmp_path / "run")
    assert (ended["running"], ended["exit_code"], ended["why"]) == (False, 0, "")


def test_a_second_claim_is_refused_and_names_the_first(tmp_path, monkeypatch):
    monkeypatch.setattr(claim, "TRIES", 1)
    with Claim(tmp_path), pytest.raises(ConfigError, match=f"process {os.getpid()}.*stop it"):
        Claim(tmp_path)
    with Claim(tmp_path):
        pass  # the first has ended: there is room


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (QuorumError(round_id=1, accepted=0, asked=2, quorum=1, reasons="x"), 3),
        (SystemExit(143), 143),
        (ValueError("bug"), 1),
    ],
    ids=lambda one: type(one).__name__,
)
def test_what_a_daemon_died_of_stays_written(tmp_path, error, code):
    with pytest.raises(type(error)), Claim(tmp_path):
        raise error
    assert (look(tmp_path)["exit_code"], look(tmp_path)["why"]) == (code, str(error))


def test_a_killed_process_holds_nothing_and_left_no_exit_code(tmp_path):
    code = "import sys, time; from pathlib import Path; from fedplat.storage.claim import Claim\n"
    code += "with Claim(Path(sys.argv[1])): print(flush=True); time.sleep(60)"
    paths = os.pathsep.join(path for path in sys.path if path)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
    ) as process:
        process.stdout.readline()
        assert look(tmp_path)["running"]
        process.send_signal(signal.SIGKILL)
    seen = look(tmp_path)
    assert (seen["running"], seen["pid"], "exit_code" in seen) == (False, process.pid, False)


def test_a_folder_that_can_not_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        Claim(tmp_path / "file" / "run")
