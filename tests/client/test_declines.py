"""A client that may not train says so, if the federation goes on without it, and then ends."""

import asyncio

import pytest
from client.alone import ME, PATIENCE_S, PLAIN, alone, welcome

from fedplat.engine.messages import Decline, Offer
from fedplat.errors import ConfigError
from fedplat.types import Digest
from fedplat_client import daemon as daemons
from fedplat_client import ending

SITE = {"name": "site", "inputs": [1, 8, 8], "outputs": 10}
NO_DATA = {key: value for key, value in PLAIN.items() if key != "partition"} | {"data": SITE}
DROPS = {**NO_DATA, "on_divergence": "drop_client"}
OFFER = Offer(ME, 1, "fit", Digest("ab" * 32))


async def ended(one):
    with pytest.raises(ConfigError, match=r"names none: add \[data\]"):
        async with asyncio.timeout(PATIENCE_S):
            await one.over


def begun(one):
    one.over = asyncio.get_running_loop().create_future()
    one.driver.replay()


def test_it_declines_and_ends_without_telling_more_than_its_owner_allows(tmp_path):
    async def asked(one):
        begun(one)
        one.welcomed(welcome(DROPS))
        one.received(OFFER)
        await ended(one)
        [said] = [frame for frame in one.session.frames if isinstance(frame, Decline)]
        assert (said.round_id, said.reason) == (1, "failed")
        assert said.detail.startswith("ConfigError;") and str(tmp_path) not in said.detail

    with alone(tmp_path) as one:
        asyncio.run(asked(one))


def test_one_that_is_not_asked_ends_all_the_same(tmp_path, monkeypatch):
    async def ignored(one):
        begun(one)
        one.welcomed(welcome(DROPS))
        await ended(one)
        assert one.session.frames == []

    monkeypatch.setattr(daemons, "DECLINE_S", 0.05)
    with alone(tmp_path) as one:
        asyncio.run(ignored(one))


def test_where_a_failure_would_end_the_federation_it_ends_alone(tmp_path):
    with alone(tmp_path) as one, pytest.raises(ConfigError, match=r"add \[data\]"):
        one.welcomed(welcome(NO_DATA))
    assert one.session.frames == []


def test_one_that_is_long_without_its_coordinator_says_since_when_and_what_to_do(tmp_path):
    with alone(tmp_path) as one:
        one.lost(ConnectionError("refused"), 0.5)
        one.zero_s -= ending.LONG_S
        one.lost(ConnectionError("refused"), 0.5)
    soon, later = one.told
    assert "hint" not in soon and later["away_s"] >= 60
    assert "fedplat server start" in later["hint"] and "fedplat down" in later["hint"]
