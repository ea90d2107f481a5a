import pytest
from cli.daemons import environment


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    """Training processes find the packages wherever the test runs."""
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
