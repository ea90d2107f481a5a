"""A client's end of the control plane: it dials out, says hello, and dials again when it is cut."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import grpc
import grpc.aio

from fedplat.errors import FedplatError, ProtocolError, TransportError
from fedplat.transports.grpc import status
from fedplat.transports.grpc.session_server import SERVICE
from fedplat.wire import session as wire
from fedplat.wire.session import Drain, Frame, Heartbeat, Hello, Welcome

FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 30.0
Metadata = tuple[tuple[str, str], ...]
Dial = Callable[[], grpc.aio.Channel]


class Listener(Protocol):
    """What a session tells the client.  Called in the loop: answers at once."""

    def welcomed(self, welcome: Welcome) -> None:
        """A session has begun: say again what was not answered.  Raises: FedplatError, to end."""

    def received(self, frame: Frame) -> None: ...

    def lost(self, error: TransportError, again_in_s: float) -> None:
        """The session was cut, or none came about; the next attempt follows."""


class SessionClient:
    """Holds a session with the coordinator for as long as `run` runs.

    Waits between attempts twice as long each time, from 0.1 to 30 s, drawn between half and whole,
    so that a thousand clients do not come back in one moment.
    """

    def __init__(
        self, dial: Dial, where: str, hello: Hello, listener: Listener, metadata: Metadata = ()
    ) -> None:
        self._dial, self._where, self._hello = dial, where, hello
        self._listener, self._metadata = listener, metadata
        self._outbox: asyncio.Queue[Frame | None] | None = None
        self._stopped = asyncio.Event()
        self._attempt = 0

    def send(self, frame: Frame) -> None:
        """Says something in the present session; without one it is not said (see `welcomed`)."""
        if self._outbox is not None:
            self._outbox.put_nowait(frame)

    def stop(self) -> None:
        """Ends the session and `run`."""
        self._stopped.set()
        if self._outbox is not None:
            self._outbox.put_nowait(None)

    async def run(self) -> None:
        """Until `stop`.

        Raises: FedplatError, if the coordinator's answer is that no later attempt can succeed.
        """
        while not self._stopped.is_set():
            pause_s: float | None = None
            try:
                async with self._dial() as channel:
                    pause_s = await self._one(channel)
                error = TransportError(reason=f"{self._where}: the coordinator ended the session")
            except grpc.aio.AioRpcError as call:
                error = self._transient(status.error_of(call, self._where))
            if self._stopped.is_set():
                return
            if pause_s is None:
                pause_s = _jittered(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**self._attempt))
            self._attempt = min(self._attempt + 1, 16)
            self._listener.lost(error, pause_s)
            await self._sleep(pause_s)

    def _transient(self, error: FedplatError) -> TransportError:
        """The error, if a later attempt may succeed; else raises it."""
        if isinstance(error, TransportError):
            return error
        if error.retryable:
            return TransportError(reason=f"{self._where}: {error}")
        raise error

    async def _one(self, channel: grpc.aio.Channel) -> float | None:
        """One session, from hello to its end; how long the coordinator asked to stay away."""
        outbox: asyncio.Queue[Frame | None] = asyncio.Queue()
        outbox.put_nowait(self._hello)
        method: Any = channel.stream_stream(f"/{SERVICE}/Session")
        call = method(_frames(outbox), metadata=self._metadata)
        beating: asyncio.Task[None] | None = None
        pause_s: float | None = None
        try:
            async for payload in call:
                frame = wire.decode(payload)
                if isinstance(frame, Welcome):
                    self._outbox, self._attempt = outbox, 0
                    beating = asyncio.create_task(_beat(outbox, frame.heartbeat_s))
                    self._listener.welcomed(frame)
                elif beating is None:
                    raise ProtocolError(reason=f"{self._where}: no welcome came first")
                elif isinstance(frame, Drain):
                    pause_s = frame.retry_after_s
                    self._listener.received(frame)
                else:
                    self._listener.received(frame)
        finally:
            self._outbox = None
            outbox.put_nowait(None)
            call.cancel()
            if beating is not None:
                beating.cancel()
        return pause_s

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopped.wait(), seconds)
        except TimeoutError:
            return


async def _frames(outbox: asyncio.Queue[Frame | None]) -> AsyncIterator[bytes]:
    while (frame := await outbox.get()) is not None:
        yield wire.encode(frame)


async def _beat(outbox: asyncio.Queue[Frame | None], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        outbox.put_nowait(Heartbeat())


def _jittered(seconds: float) -> float:
    return seconds * (0.5 + secrets.randbelow(1000) / 2000)
