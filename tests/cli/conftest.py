"""Every command of these tests runs in a folder of its own."""

import pytest
from commands import Command


@pytest.fixture
def fedplat(tmp_path, capsys, monkeypatch) -> Command:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return Command(tmp_path, capsys, monkeypatch)
