"""A session in polls: the same frames, for networks that cut streams."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from typing import Any

import grpc.aio

from fedplat.transports.grpc.session_client import Metadata, Outgoing
from fedplat.transports.grpc.session_server import MOST_POLL_S, SERVICE
from fedplat.wire import session as wire
from fedplat.wire.session import Frame, Poll

LATE_S = 30.0  # how much longer than asked for an answer may take


async def poll(
    channel: grpc.aio.Channel, outgoing: Outgoing, metadata: Metadata
) -> AsyncGenerator[Frame, None]:
    """A line in polls, one at a time; only one that says nothing is held by the coordinator.

    Guarantees: frames come in order and once, in either direction.  A poll that is held is broken
    off as soon as there is something to say; what its answer held comes with the next.
    """
    method: Any = channel.unary_unary(f"/{SERVICE}/Poll")
    name, heard, is_last = secrets.token_hex(16), 0, False
    more = asyncio.create_task(outgoing.get())
    asking: asyncio.Task[bytes] | None = None
    try:
        await asyncio.wait([more])
        while not is_last:
            said: list[Frame] = []
            if more.done():
                said, is_last = _waiting(more.result(), outgoing)
                more = asyncio.create_task(outgoing.get())
            request = Poll(tuple(said), MOST_POLL_S, name, heard, is_last)
            asking = asyncio.create_task(_ask(method, request, metadata))
            is_held = not said and not is_last
            ends = {asking, more} if is_held else {asking}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                asking.cancel()
                continue
            for frame in wire.decode_poll_reply(asking.result()):
                heard += 1
                yield frame
    finally:
        more.cancel()
        if asking is not None:
            asking.cancel()


def _waiting(first: Frame | None, outgoing: Outgoing) -> tuple[list[Frame], bool]:
    """What one poll says, `first` first, and whether the client leaves with it."""
    said: list[Frame] = []
    frame = first
    while frame is not None:
        said.append(frame)
        if len(said) == wire.MAX_FRAMES or outgoing.empty():
            return said, False
        frame = outgoing.get_nowait()
    return said, True


async def _ask(method: Any, request: Poll, metadata: Metadata) -> bytes:
    timeout_s = request.wait_s + LATE_S
    payload: bytes = await method(wire.encode_poll(request), metadata=metadata, timeout=timeout_s)
    return payload
