"""A codec's compiled loops come into a training's room ready, and are compiled once a user."""

import os
import subprocess
import sys

from fedplat_client import compiled

STC = {"name": "stc", "ratio": 0.1, "entropy": "rice"}


def compiled_files(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*.nbc")}


def test_what_a_training_needs_is_in_its_room_and_was_compiled_once(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    for room in ("one", "two"):
        compiled.provide(STC, tmp_path / room)
    first = compiled_files(tmp_path / "cache")
    assert first and compiled_files(tmp_path / "two") == first
    command = [
        sys.executable,
        "-m",
        "fedplat_client.compiling",
        '{"name": "stc", "entropy": "rice"}',
    ]
    ours = {**os.environ, **compiled.environment(tmp_path / "one")}
    subprocess.run(command, env=ours, check=True)
    assert compiled_files(tmp_path / "one") == first  # nothing was left to compile


def test_a_codec_without_loops_brings_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    compiled.provide({"name": "float32"}, tmp_path / "room")
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_the_training_does_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "cache"))
    compiled.provide(STC, tmp_path / "room")
    assert not (tmp_path / "room").exists()
