"""Quarantine over real gRPC on loopback: by whom, what clients hear, what a restart keeps."""

import asyncio

import grpc
import pytest
from engine.machines import A, B, C, update
from operated import operated
from test_admin import call

from fedplat.engine.events import ClientQuarantined
from fedplat.engine.journal import decode
from fedplat.engine.suspicion import QuarantineAfter
from fedplat.errors import ConfigError
from fedplat.storage.memory import MemoryEvents
from fedplat.types import client_id
from fedplat.wire.session import Cancel
from fedplat_server import standing


def events(log):
    return [type(decode(entry)).__name__ for entry in log.read()]


def test_a_quarantined_client_is_told_to_stop_and_the_round_goes_on_without_it():
    async def main():
        async with operated(registered=3) as one:
            said = []
            one.operations.speak = lambda client, frame: said.append((client, frame))
            one.engine.post(update(A))
            one.engine.post(update(B))
            await one.ask("quarantine", C, "odd updates")
            assert said == [(C, Cancel(1, "quarantined: odd updates"))]
            await one.until(lambda: one.machine.last.round_id == 1)
            standing = await one.ask("standing")
            assert standing.quarantined == {C: "odd updates"} and standing.missing == (A, B)

    asyncio.run(main())


def test_a_client_that_does_nothing_is_told_nothing():
    async def main():
        async with operated(registered=3) as one:
            said = []
            one.operations.speak = lambda client, frame: said.append((client, frame))
            one.engine.post(update(C))
            await one.ask("quarantine", C, "odd updates")
            assert said == []

    asyncio.run(main())


def test_a_quarantine_outlives_a_restart_until_the_client_is_released():
    async def main():
        log = MemoryEvents()
        async with operated(log, registered=3) as one:
            await one.ask("quarantine", C, "odd updates")
        async with operated(log, registered=3) as one:
            assert (await one.ask("standing")).missing == (A, B)
            for client in (A, B):
                one.engine.post(update(client))
            await one.until(lambda: one.machine.round.round_id == 2)
            assert (await one.ask("standing")).asked == (A, B)
            await one.ask("release", C)
        async with operated(log, registered=3) as one:
            assert (await one.ask("standing")).quarantined == {}

    asyncio.run(main())


def test_two_quarantines_at_once_do_not_leave_too_few():
    async def main():
        log = MemoryEvents()
        async with operated(log, registered=3, quorum=2) as one:
            asked = (one.ask("quarantine", client, "odd") for client in (A, B, C))
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert [type(answer) for answer in answers if answer] == [ConfigError, ConfigError]
            assert events(log).count("ClientQuarantined") == 1
            assert (await one.ask("standing")).phase == "collecting"

    asyncio.run(main())


def test_what_was_refused_is_not_in_the_log():
    async def main():
        log = MemoryEvents()
        async with operated(log, registered=3) as one:
            with pytest.raises(ConfigError, match="did you mean client-000002"):
                await one.ask("quarantine", "client-2", "odd")
            with pytest.raises(ConfigError, match="not in quarantine"):
                await one.ask("release", C)
            assert events(log) == ["Initialised"]

    asyncio.run(main())


def test_clients_are_listed_with_what_the_log_says_of_them():

    async def main():
        after = QuarantineAfter(suspicion=0.9, rounds=1)
        async with operated(registered=3, quarantine_after=after) as one:
            one.operations.heard = lambda: {client_id(9): 1.0}
            found = await one.clients()
            assert list(found) == [A, B, C, client_id(9)] and found[A].accepted == 0
            await one.answer(1)
            found = await one.clients()
            assert (found[C].asked, found[C].accepted, found[C].suspicion) == (1, 1, None)

    asyncio.run(main())


def test_the_coordinators_own_quarantine_is_listed_as_its_own():

    async def main():
        log, after = MemoryEvents(), QuarantineAfter(suspicion=0.9, rounds=1)
        lying = {"influence": (0.5, 0.5, 0.0), "quarantine_after": after}
        async with operated(log, registered=3, **lying) as one:
            await one.answer(1)
            mine = (await one.clients())[C]
            assert (mine.refused, mine.influence, mine.suspicion, mine.judged) == (0, 0.0, 1.0, 1)
            assert mine.quarantine.alone and mine.quarantine.round_id == 1
            assert not any(isinstance(decode(entry), ClientQuarantined) for entry in log.read())
            await one.ask("release", C)
            assert (await one.clients())[C].quarantine is None

    asyncio.run(main())


def test_a_long_list_comes_in_pages(monkeypatch):
    monkeypatch.setattr(standing, "PAGE", 2)

    async def main():
        async with operated(registered=3) as one:
            one.operations.heard = lambda: {client_id(index): 0.0 for index in range(7)}
            assert list(await one.clients()) == [client_id(index) for index in range(7)]

    asyncio.run(main())


@pytest.mark.parametrize("name", ["ListClients", "Quarantine", "Release"])
@pytest.mark.parametrize(
    ("who", "code"),
    [(A, grpc.StatusCode.PERMISSION_DENIED), (None, grpc.StatusCode.UNAUTHENTICATED)],
    ids=["a-client", "nobody"],
)
def test_only_the_operator_is_let_in(name, who, code):
    async def main():
        log = MemoryEvents()
        async with operated(log, registered=3) as one:
            with pytest.raises(grpc.RpcError) as refused:
                await asyncio.to_thread(call, one.port, name, b"", who)
            assert refused.value.code() is code and events(log) == ["Initialised"]

    asyncio.run(main())
