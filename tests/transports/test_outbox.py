"""What waits for a client: said in order, once, and never more of it than the limit."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedplat.transports.grpc.outbox import Outbox
from fedplat.wire.session import MAX_FRAMES, Cancel


def frames(count):
    return [Cancel(number, "") for number in range(count)]


@given(st.lists(st.tuples(st.integers(0, 100), st.booleans()), max_size=12))
def test_whatever_answers_are_lost_every_frame_is_heard_once_and_in_its_order(polls):
    async def conversation():
        outbox, said, heard = Outbox(10_000), 0, []
        for more, is_lost in [*polls, *[(0, False)] * 30]:
            for frame in frames(said + more)[said:]:
                outbox.put(frame)
            said += more
            answer = await outbox.after(len(heard), 0.0)
            assert len(answer) <= MAX_FRAMES
            heard += [] if is_lost else answer
        assert heard == frames(said)

    asyncio.run(conversation())


def test_a_stream_hears_every_frame_and_then_the_end():
    async def conversation():
        outbox = Outbox(10)
        for frame in frames(3):
            assert outbox.put(frame)
        outbox.end()
        assert not outbox.put(Cancel(9, "too late"))
        assert [await outbox.next() for _ in range(5)] == [*frames(3), None, None]

    asyncio.run(conversation())


def test_more_than_the_limit_ends_it_and_frees_what_waited():
    async def conversation():
        outbox = Outbox(3)
        assert [outbox.put(frame) for frame in frames(5)] == [True, True, True, False, False]
        assert outbox.ended and await outbox.next() is None

    asyncio.run(conversation())


def test_who_reads_in_time_may_hear_any_number():
    async def conversation():
        outbox = Outbox(3)
        for frame in frames(100):
            assert outbox.put(frame) and await outbox.next() == frame

    asyncio.run(conversation())


def test_a_poll_waits_for_the_first_frame_and_no_longer_than_it_asked():
    async def conversation():
        outbox, loop = Outbox(3), asyncio.get_running_loop()
        loop.call_later(0.05, outbox.put, Cancel(0, ""))
        assert await outbox.after(0, 5.0) == frames(1)
        begun = loop.time()
        assert await outbox.after(1, 0.05) == []
        assert loop.time() - begun < 1.0

    asyncio.run(conversation())


def test_who_does_not_want_to_wait_is_answered_without_a_turn_of_the_loop():
    outbox = Outbox(10)
    answering = outbox.after(0, 0.0)
    with pytest.raises(StopIteration) as answer:
        answering.send(None)
    assert answer.value.value == []
