"""A client's end of the control plane: it dials out, says hello, and dials again when it is cut."""

import asyncio
import math
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from time import monotonic
from typing import Any, Protocol

import grpc
import grpc.aio

from fedplat.errors import FedplatError, ProtocolError, TransportError
from fedplat.transports.grpc import status
from fedplat.transports.grpc.session_server import SERVICE
from fedplat.wire import session as wire
from fedplat.wire.session import Drain, Frame, Heartbeat, Hello, Welcome

FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 30.0
WELCOME_S = 60.0  # how long a coordinator may take to answer a hello
Metadata = tuple[tuple[str, str], ...]
Dial = Callable[[], grpc.aio.Channel]
Outgoing = asyncio.Queue[Frame | None]  # None: the client leaves


class Line(Protocol):
    """Says what comes out of `outgoing`, until it is None, and yields what the coordinator says."""

    def __call__(
        self, channel: grpc.aio.Channel, outgoing: Outgoing, metadata: Metadata, /
    ) -> AsyncGenerator[Frame, None]: ...


async def stream(
    channel: grpc.aio.Channel, outgoing: Outgoing, metadata: Metadata
) -> AsyncGenerator[Frame, None]:
    """A line that is one stream in either direction."""
    method: Any = channel.stream_stream(f"/{SERVICE}/Session")
    call = method(_payloads(outgoing), metadata=metadata)
    try:
        async for payload in call:
            yield wire.decode(payload)
    finally:
        call.cancel()


async def _payloads(outgoing: Outgoing) -> AsyncIterator[bytes]:
    while (frame := await outgoing.get()) is not None:
        yield wire.encode(frame)


class Listener(Protocol):
    """What a session tells the client.  Called in the loop: answers at once."""

    def welcomed(self, welcome: Welcome) -> None:
        """A session has begun: say again what was not answered.  Raises: FedplatError, to end."""

    def received(self, frame: Frame) -> None: ...

    def lost(self, error: TransportError, again_in_s: float) -> None:
        """The session was cut, or none came about; the next attempt follows."""


class Unexplained(Protocol):
    """Says why no connection comes about, if no later attempt can change it.  May take seconds."""

    def __call__(self) -> FedplatError | None: ...


def unexplained() -> None:
    """Where nothing more can be found out."""


class SessionClient:
    """Holds a session with the coordinator for as long as `run` runs.

    `line` says how frames travel: `stream`, or `poll_client.poll` where streams are cut.
    Waits between attempts twice as long each time, from 0.1 to 30 s, drawn between half and whole,
    so that a thousand clients do not come back in one moment; once a session has lasted longer than
    the wait before it, the next wait is short again.
    """

    def __init__(
        self,
        dial: Dial,
        where: str,
        hello: Hello,
        listener: Listener,
        metadata: Metadata = (),
        *,
        line: Line = stream,
        explain: Unexplained = unexplained,
    ) -> None:
        self._dial, self._where, self._hello = dial, where, hello
        self._listener, self._metadata = listener, metadata
        self._line, self._explain = line, explain
        self._outbox: Outgoing | None = None
        self._stopped = asyncio.Event()
        self._attempt, self._waited_s, self._begun_s = 0, 0.0, 0.0

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
            drain: Drain | None = None
            self._begun_s = math.inf
            why = "the coordinator ended the session"
            try:
                async with self._dial() as channel:
                    drain = await self._one(channel)
                error = TransportError(reason=f"{self._where}: {drain.reason if drain else why}")
            except grpc.aio.AioRpcError as call:
                error = self._transient(status.error_of(call, self._where))
                await self._refuse_if_hopeless()
            except TransportError as silent:
                error = silent
            if self._stopped.is_set():
                return
            pause_s = self._backoff() if drain is None else _later(drain.retry_after_s)
            self._listener.lost(error, pause_s)
            await self._sleep(pause_s)

    def _transient(self, error: FedplatError) -> TransportError:
        """The error, if a later attempt may succeed; else raises it."""
        if isinstance(error, TransportError):
            return error
        if error.retryable:
            return TransportError(reason=f"{self._where}: {error}")
        raise error

    async def _refuse_if_hopeless(self) -> None:
        """Raises: FedplatError, if no session came about for a reason that will stay."""
        if self._begun_s == math.inf and not self._stopped.is_set():
            refusal = await asyncio.to_thread(self._explain)
            if refusal is not None:
                raise refusal

    def _backoff(self) -> float:
        if monotonic() - self._begun_s > self._waited_s:
            self._attempt = 0
        self._waited_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**self._attempt) * _between(0.5, 1)
        self._attempt = min(self._attempt + 1, 16)
        return self._waited_s

    async def _one(self, channel: grpc.aio.Channel) -> Drain | None:
        """One session, from hello to its end; the coordinator's word, if it asked to stay away."""
        outbox: Outgoing = asyncio.Queue()
        outbox.put_nowait(self._hello)
        try:
            async with aclosing(self._line(channel, outbox, self._metadata)) as frames:
                first = await asyncio.wait_for(anext(frames, None), WELCOME_S)
                return None if first is None else await self._listen(first, frames, outbox)
        except TimeoutError as error:
            reason = f"{self._where}: no welcome came within {WELCOME_S:g} s"
            raise TransportError(reason=reason) from error
        finally:
            self._outbox = None
            outbox.put_nowait(None)

    async def _listen(
        self, first: Frame, frames: AsyncGenerator[Frame, None], outbox: Outgoing
    ) -> Drain | None:
        beating = asyncio.create_task(_beat(outbox, self._welcomed(first, outbox)))
        try:
            async for frame in frames:
                self._listener.received(frame)
                if isinstance(frame, Drain):
                    return frame
        finally:
            beating.cancel()
        return None

    def _welcomed(self, first: Frame, outbox: Outgoing) -> float:
        """Begins to speak; returns how often the client has to say that it is alive.

        Raises: ProtocolError, if there was no welcome, or one of another version.
        """
        if not isinstance(first, Welcome):
            raise ProtocolError(reason=f"{self._where}: no welcome came first")
        wire.agreed(first)
        self._outbox, self._begun_s = outbox, monotonic()
        self._listener.welcomed(first)
        return first.heartbeat_s

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopped.wait(), seconds)
        except TimeoutError:
            return


async def _beat(outbox: Outgoing, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        outbox.put_nowait(Heartbeat())


def _later(seconds: float) -> float:
    """Not before the coordinator asked for, and not all clients at once."""
    return seconds * _between(1, 1.5)


def _between(low: float, high: float) -> float:
    return low + (high - low) * secrets.randbelow(1 << 20) / (1 << 20)
