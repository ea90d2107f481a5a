"""What every test runs under.  Imports nothing of fedplat: the jaxtyping hook has to come first."""

import os
import sys

import pytest
from hypothesis import HealthCheck, settings

# Examples are a function of the test alone: a red build stays red until somebody mends it.
settings.register_profile(
    "fast",
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("ci", settings.get_profile("fast"), max_examples=100)
settings.register_profile(
    "nightly", settings.get_profile("fast"), max_examples=2000, derandomize=False
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

WHOLE_RUNS = ("tests/sim/", "tests/sweep/", "tests/report/", "tests/learning/test_cohort")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks as slow what runs whole federations or draws whole pages."""
    for item in items:
        if item.nodeid.startswith(WHOLE_RUNS):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True, scope="session")
def _importable():
    """Processes that a test starts find the packages wherever it runs."""
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)


@pytest.fixture
def fedplat(tmp_path, capsys, monkeypatch):
    """The `fedplat` command, called in this process and in a folder of its own."""
    from cli.commands import Command  # late: it imports fedplat

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return Command(tmp_path, capsys, monkeypatch)
