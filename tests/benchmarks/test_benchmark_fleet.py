"""The harness of many client engines: each its own certificate, before a real coordinator."""

import asyncio
import statistics

import pytest

from benchmarks.transport import rounds, thousand
from benchmarks.transport.coordinator import coordinator, issue
from benchmarks.transport.fleet import Fleet
from fedplat.errors import UnauthenticatedError


def test_engines_over_tls_take_part_in_a_federation_to_its_end(tmp_path):
    found = rounds.measure(clients=3, rounds=4, warm_up=1, folder=tmp_path, tls=True)
    assert len(found["rounds_ms"]) == 4 and statistics.median(found["rounds_ms"]) > 0


def test_idle_engines_hold_a_session_each_and_lose_none(tmp_path, monkeypatch):
    monkeypatch.setattr(thousand, "SETTLE_S", 0.2)
    found = thousand.measure(5, 0.5, tmp_path)
    assert (found["connected"], found["lost"]) == (5, 0)
    assert found["empty_mb"] > 0


def test_a_client_that_the_coordinator_refuses_is_not_waited_for(tmp_path):
    issue(tmp_path / "keys", 3)
    two = thousand.scenario(2)
    with (
        coordinator(tmp_path / "run", two, keys=tmp_path / "keys") as running,
        pytest.raises(UnauthenticatedError, match="no client client-000002"),
    ):
        asyncio.run(Fleet(3, running.address, running.keys).start())
