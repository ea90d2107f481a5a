"""What the coordinator refuses over real gRPC: in words, and without harm to anybody else."""

import asyncio

import grpc.aio
import pytest
from transports.small_fleet import HELLO, Fleet, client, coordinator, ending, spoken, until

from fedplat.errors import (
    CorruptPayloadError,
    InterruptedRunError,
    ProtocolError,
    UnauthenticatedError,
)
from fedplat.transports.grpc import session_client
from fedplat.transports.grpc.poll_client import poll
from fedplat.transports.grpc.session_client import stream
from fedplat.types import ClientId
from fedplat.wire import session as wire
from fedplat.wire.session import Cancel, Heartbeat, Hello, Progress

EITHER = pytest.mark.parametrize("line", [stream, poll], ids=["stream", "poll"])


@EITHER
def test_an_unknown_client_is_refused_in_words_and_does_not_try_again(line):
    async def conversation():
        fleet = Fleet()
        async with (
            coordinator(fleet) as there,
            client(there.port, "mallory", line=line) as (_, heard, running),
        ):
            error = await ending(running)
        assert isinstance(error, UnauthenticatedError) and "enrol it" in str(error)
        assert (heard.welcomes, heard.cuts, fleet.opened_for) == ([], [], [])

    asyncio.run(conversation())


@EITHER
@pytest.mark.parametrize(
    ("hello", "update"),
    [(Hello(0, 0, "old", "{}"), "client"), (Hello(9, 8, "new", "{}"), "coordinator")],
)
def test_a_client_of_another_protocol_is_told_what_to_update(line, hello, update):
    async def conversation():
        async with (
            coordinator(Fleet()) as there,
            client(there.port, line=line, hello=hello) as (_, _, running),
        ):
            error = await ending(running)
        assert isinstance(error, ProtocolError) and f"update the {update}" in str(error)

    asyncio.run(conversation())


@EITHER
def test_a_coordinator_of_another_protocol_is_not_talked_to(line):
    class Newer(Fleet):
        def welcome(self, client, hello):
            return wire.Welcome(9, 1, "new", "{}", "", 1.0, 2.0, 1)

    async def conversation():
        async with (
            coordinator(Newer()) as there,
            client(there.port, line=line) as (_, heard, running),
        ):
            error = await ending(running)
        assert isinstance(error, ProtocolError) and "update the client" in str(error)
        assert heard.welcomes == []

    asyncio.run(conversation())


@EITHER
def test_what_the_coordinator_refuses_ends_the_session_and_the_run(line):
    async def conversation():
        fleet = Fleet(refuses=ProtocolError(reason="anna speaks for ben"))
        async with (
            coordinator(fleet) as there,
            client(there.port, line=line) as (one, heard, running),
        ):
            await until(lambda: heard.welcomes)
            one.send(Progress(1, "fit", 1))
            error = await ending(running)
            assert there.service.connected == []
        assert type(error) is ProtocolError and "anna speaks for ben" in str(error)

    asyncio.run(conversation())


@pytest.mark.parametrize("method", ["Session", "Poll"])
@pytest.mark.parametrize(
    "payload", [b"\xff" * 40, b"", b"\x0a\x02\x0a\x00", b"\x12\x02\x08"], ids=repr
)
def test_garbage_ends_the_session_with_words_and_the_coordinator_lives_on(method, payload):
    async def conversation():
        fleet = Fleet(known=("anna", "ben"))
        async with (
            coordinator(fleet) as there,
            client(there.port, "ben") as (_, ben, _),
        ):
            await until(lambda: ben.welcomes)
            before = [wire.encode(HELLO)] if method == "Session" else []
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await spoken(there.port, [*before, payload], method)
            error = session_client.status.error_of(caught.value, "there")
            assert type(error) is CorruptPayloadError
            there.service.send(ClientId("ben"), Cancel(1, "still here"))
            await until(lambda: ben.frames)
            assert there.service.connected == ["ben"] and ben.cuts == []

    asyncio.run(conversation())


@pytest.mark.parametrize(
    "payloads", [[wire.encode(Heartbeat())], []], ids=["a heartbeat", "silence"]
)
def test_a_session_begins_with_a_hello_and_soon(payloads):
    async def conversation():
        async with coordinator(Fleet(), idle_timeout_s=0.3) as there:
            with pytest.raises(grpc.aio.AioRpcError, match="hello"):
                await spoken(there.port, payloads)

    asyncio.run(conversation())


@EITHER
def test_a_status_of_cancelled_is_the_coordinators_answer_and_cancels_nothing_here(line):
    class Cancels(Fleet):
        def welcome(self, client, hello):
            raise InterruptedRunError(round_id=1, remedy="start it again")

    async def conversation():
        async with (
            coordinator(Cancels()) as there,
            client(there.port, line=line) as (_, _, running),
        ):
            assert type(await ending(running)) is InterruptedRunError

    asyncio.run(conversation())
