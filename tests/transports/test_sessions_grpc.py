"""Sessions over real gRPC: what both sides hear, and what happens when a line is cut."""

import asyncio

import grpc.aio
import pytest
from transports.small_fleet import HELLO, Fleet, client, coordinator, spoken, until

from fedplat.transports.grpc import session_client, session_server
from fedplat.transports.grpc.identity import metadata
from fedplat.transports.grpc.poll_client import poll
from fedplat.transports.grpc.session_client import stream
from fedplat.types import ClientId
from fedplat.wire import session as wire
from fedplat.wire.session import Cancel, Drain, Finished, Heartbeat, Progress

EITHER = pytest.mark.parametrize("line", [stream, poll], ids=["stream", "poll"])
ANNA = ClientId("anna")


def cancels(count):
    return [Cancel(number, f"the {number}th") for number in range(count)]


def steps(count):
    return [Progress(1, "fit", step) for step in range(count)]


@EITHER
def test_frames_arrive_once_and_in_their_order_in_either_direction(line):
    async def conversation():
        fleet = Fleet()
        async with coordinator(fleet) as there, client(there.port, line=line) as (one, heard, _):
            await until(lambda: heard.welcomes)
            for cancel, step in zip(cancels(300), steps(300), strict=True):
                there.service.send(ANNA, cancel)
                one.send(step)
                await asyncio.sleep(0.002 if step.step % 10 == 0 else 0)
            await until(lambda: len(heard.frames) >= 300 and len(fleet.heard) >= 300)
            await asyncio.sleep(0.05)
        assert heard.frames == cancels(300)
        assert fleet.from_client("anna") == steps(300)
        assert heard.welcomes[0].data_port == 4711
        assert (fleet.opened_for, fleet.closed_for, heard.cuts) == (["anna"], ["anna"], [])

    asyncio.run(conversation())


@EITHER
def test_what_is_said_again_at_the_beginning_comes_after_the_welcome(line):
    async def conversation():
        fleet = Fleet()
        async with coordinator(fleet) as there:
            fleet.on_opened = lambda name: there.service.send(name, Cancel(7, "again"))
            async with client(there.port, line=line) as (_, heard, _):
                await until(lambda: heard.frames)
        assert heard.frames == [Cancel(7, "again")]

    asyncio.run(conversation())


@EITHER
def test_a_client_that_has_something_to_say_does_not_wait_for_the_coordinator(line):
    async def conversation():
        fleet = Fleet()
        async with coordinator(fleet) as there, client(there.port, line=line) as (one, heard, _):
            await until(lambda: heard.welcomes)
            await asyncio.sleep(0.1)  # a poll is held by now
            begun = asyncio.get_running_loop().time()
            one.send(Progress(1, "fit", 1))
            await until(lambda: fleet.heard)
            assert asyncio.get_running_loop().time() - begun < 1.0

    asyncio.run(conversation())


@EITHER
def test_a_newer_session_of_a_client_replaces_the_older_which_is_told_to_stay_away(line):
    async def conversation():
        fleet = Fleet()
        async with coordinator(fleet) as there, client(there.port, line=line) as (_, older, _):
            await until(lambda: older.welcomes)
            await asyncio.sleep(0.05)
            async with client(there.port, line=line) as (_, newer, _):
                await until(lambda: older.cuts)
                there.service.send(ANNA, Cancel(1, "now"))
                await until(lambda: newer.frames)
                assert there.service.connected == ["anna"]
        (why, again_in_s), *others = older.cuts
        assert "a newer session" in why and others == []
        assert again_in_s >= session_server.REPLACED_RETRY_S
        assert newer.frames == [Cancel(1, "now")] and Cancel(1, "now") not in older.frames

    asyncio.run(conversation())


@EITHER
def test_clients_do_not_hear_each_others_frames(line):
    async def conversation():
        async with (
            coordinator(Fleet()) as there,
            client(there.port, "anna", line=line) as (_, anna, _),
            client(there.port, "ben", line=line) as (_, ben, _),
        ):
            await until(lambda: anna.welcomes and ben.welcomes)
            there.service.send(ANNA, Cancel(1, "for anna"))
            there.service.send(ClientId("ben"), Cancel(2, "for ben"))
            await until(lambda: anna.frames and ben.frames)
        assert (anna.frames, ben.frames) == ([Cancel(1, "for anna")], [Cancel(2, "for ben")])

    asyncio.run(conversation())


@EITHER
def test_a_client_comes_back_by_itself_when_the_coordinator_does_and_says_hello_again(line):
    async def conversation():
        first, second = Fleet(), Fleet()
        async with coordinator(first) as there:
            port = there.port
            running = client(port, line=line)
            one, heard, _ = await running.__aenter__()
            await until(lambda: heard.welcomes)
        await until(lambda: len(heard.cuts) >= 3)
        one.send(Progress(9, "fit", 9))  # without a session it is not said, and nobody is harmed
        async with coordinator(second, port=port) as there:
            await until(lambda: len(heard.welcomes) == 2)
            there.service.send(ANNA, Cancel(1, "back"))
            await until(lambda: heard.frames)
            await running.__aexit__(None, None, None)
        assert heard.frames == [Cancel(1, "back")]
        assert (second.opened_for, second.heard) == (["anna"], [])

    asyncio.run(conversation())


def test_attempts_become_rarer_and_no_two_clients_wait_alike():
    async def conversation():
        async with coordinator(Fleet()) as there:
            port = there.port
        async with client(port) as (_, anna, _), client(port, "ben") as (_, ben, _):
            await until(lambda: min(len(anna.cuts), len(ben.cuts)) >= 5)
        waits = [[again_in_s for _, again_in_s in heard.cuts[:5]] for heard in (anna, ben)]
        assert waits[0] != waits[1]
        for number, waited_s in enumerate(waits[0]):
            longest = session_client.FIRST_WAIT_S * 2**number
            assert longest / 2 <= waited_s <= longest

    asyncio.run(conversation())


def test_a_coordinator_that_ends_every_session_at_once_is_not_stormed():
    async def conversation():
        fleet = Fleet()
        async with coordinator(fleet) as there, client(there.port) as (_, heard, _):
            fleet.on_opened = lambda name: there.service._sessions[name].outbox.end()
            await until(lambda: len(heard.cuts) >= 5)
        assert len(heard.welcomes) >= 4  # each attempt succeeds, and ends
        assert heard.cuts[4][1] > heard.cuts[1][1] > 0

    asyncio.run(conversation())


@EITHER
def test_a_client_that_only_heartbeats_is_kept_and_a_silent_one_is_closed(line):
    async def conversation():
        alive, silent = Fleet(heartbeat_s=0.1), Fleet(heartbeat_s=3600.0)
        async with (
            coordinator(alive, idle_timeout_s=0.6) as one,
            coordinator(silent, idle_timeout_s=0.6) as other,
            client(one.port, line=line) as (_, beats, _),
            client(other.port, line=line) as (_, sleeps, _),
        ):
            await until(lambda: beats.welcomes and sleeps.welcomes)
            await until(lambda: silent.closed_for)
            await until(lambda: sleeps.cuts)
            await asyncio.sleep(0.8)
            assert one.service.connected == ["anna"]
            assert (alive.closed_for, beats.cuts) == ([], [])
            assert set(alive.from_client("anna")) == {Heartbeat()}

    asyncio.run(conversation())


@EITHER
def test_a_client_stays_away_for_as_long_as_a_drain_asks_and_then_comes_back(line):
    async def conversation():
        async with coordinator(Fleet()) as there, client(there.port, line=line) as (_, heard, _):
            await until(lambda: heard.welcomes)
            there.service.send(ANNA, Drain("an update of the coordinator", 0.4))
            begun = asyncio.get_running_loop().time()
            await until(lambda: len(heard.welcomes) == 2)
            assert asyncio.get_running_loop().time() - begun >= 0.4
        ((why, again_in_s),) = heard.cuts
        assert "an update of the coordinator" in why and 0.4 <= again_in_s <= 0.6
        assert heard.frames == [Drain("an update of the coordinator", 0.4)]

    asyncio.run(conversation())


def test_a_poll_of_a_session_that_is_over_may_begin_a_new_one():
    async def conversation():
        async with coordinator(Fleet()) as there:
            request = wire.encode_poll(wire.Poll((Heartbeat(),), 0.0, "forgotten"))
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await spoken(there.port, [request], "Poll")
            assert session_client.status.error_of(caught.value, "there").retryable

    asyncio.run(conversation())


def test_an_answer_that_was_lost_is_said_again_in_the_next_poll():
    async def conversation():
        async with coordinator(Fleet()) as there:

            async def asked(frames=(), heard=0):
                request = wire.encode_poll(wire.Poll(frames, 0.2, "one", heard))
                (answer,) = await spoken(there.port, [request], "Poll")
                return wire.decode_poll_reply(answer)

            welcome = (await asked((HELLO,)))[0]
            for frame in cancels(3):
                there.service.send(ANNA, frame)
            assert await asked(heard=1) == cancels(3)
            assert await asked(heard=1) == cancels(3)  # as if the first had not come
            assert await asked(heard=3) == cancels(3)[2:]
            assert await asked(heard=4) == []
            assert isinstance(welcome, wire.Welcome)

    asyncio.run(conversation())


@EITHER
def test_a_coordinator_that_does_not_answer_is_tried_again(line, monkeypatch):
    monkeypatch.setattr(session_client, "WELCOME_S", 0.2)

    async def never(*_):
        await asyncio.sleep(60)

    async def conversation():
        fleet = Fleet()
        async with coordinator(fleet) as there:
            for way in ("next", "after"):
                monkeypatch.setattr(session_server.Outbox, way, never)
            async with client(there.port, line=line) as (_, heard, _):
                await until(lambda: heard.cuts)
        assert "no welcome came within 0.2 s" in heard.cuts[0][0]

    asyncio.run(conversation())


@EITHER
def test_a_client_that_does_not_read_loses_its_session_and_no_other(line):
    async def conversation():
        fleet = Fleet()
        async with (
            coordinator(fleet) as there,
            client(there.port, "ben", line=line) as (_, ben, _),
            grpc.aio.insecure_channel(f"localhost:{there.port}") as channel,
        ):
            pairs = metadata(ANNA, plain=True)
            call = channel.stream_stream(f"/{session_server.SERVICE}/Session")(metadata=pairs)
            await call.write(wire.encode(HELLO))
            await until(lambda: there.service.connected == ["anna", "ben"])
            for number in range(3 * session_server.MOST_WAITING):  # 4 kB each: beyond any window
                there.service.send(ANNA, Finished(number, None, "x" * 4000))
                if number % 64 == 0:
                    await asyncio.sleep(0)
            await until(lambda: fleet.closed_for == ["anna"])
            there.service.send(ClientId("ben"), Cancel(1, "still here"))
            await until(lambda: ben.frames)
            assert (there.service.connected, ben.cuts) == (["ben"], [])

    asyncio.run(conversation())


def test_a_client_that_reads_again_after_too_long_is_told_so_and_may_come_back():
    async def conversation():
        narrow = [("grpc.http2.lookahead_bytes", 1 << 16), ("grpc.http2.bdp_probe", 0)]
        fleet = Fleet()
        async with (
            coordinator(fleet, idle_timeout_s=0.5) as there,
            grpc.aio.insecure_channel(f"localhost:{there.port}", options=narrow) as channel,
        ):
            pairs = metadata(ANNA, plain=True)
            call = channel.stream_stream(f"/{session_server.SERVICE}/Session")(metadata=pairs)
            await call.write(wire.encode(HELLO))
            await until(lambda: there.service.connected)
            for number in range(1000):
                there.service.send(ANNA, Finished(number, None, "x" * 4000))
            await until(lambda: fleet.closed_for)
            await asyncio.sleep(0.7)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                [answer async for answer in call]
            error = session_client.status.error_of(caught.value, "there")
            assert error.retryable and "not read" in str(error)

    asyncio.run(conversation())
