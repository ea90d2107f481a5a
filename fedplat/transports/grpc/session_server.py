"""The coordinator's end of the control plane: one session a client, where either side speaks."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import Any, NoReturn, Protocol

import grpc
import grpc.aio

from fedplat.errors import FedplatError, ProtocolError, TransportError
from fedplat.transports.grpc import status
from fedplat.transports.grpc.identity import caller
from fedplat.transports.grpc.outbox import Outbox
from fedplat.types import ClientId
from fedplat.wire import session as wire
from fedplat.wire.session import Drain, Frame, Hello, Poll, Welcome

SERVICE = "fedplat.wire.v1.FleetService"
MOST_WAITING = 1024  # frames for a client that does not read: then its session is ended
MOST_POLL_S = 30.0
REPLACED_RETRY_S = 30.0  # two machines with one certificate do not chase each other
REPLACED = "a newer session of this client has begun; if it is another machine's, give each its own"
Context = grpc.aio.ServicerContext[Any, Any]


class Fleet(Protocol):
    """What a session tells the coordinator.  Called in the server's loop: answers at once."""

    def welcome(self, client: ClientId, hello: Hello) -> Welcome:
        """Raises: FedplatError, if this client is not let in."""

    def opened(self, client: ClientId) -> None:
        """A session of the client's has begun: say again what it should know."""

    def received(self, client: ClientId, frame: Frame) -> None: ...

    def closed(self, client: ClientId) -> None:
        """The client's session has ended, or nothing was heard of it for too long."""


@dataclass(eq=False)
class _Session:
    """One client's line; polls say its name, a stream has none."""

    name: str = ""
    outbox: Outbox = field(default_factory=lambda: Outbox(MOST_WAITING))
    heard_s: float = field(default_factory=monotonic)


class SessionService:
    """Keeps one session a client; a newer one replaces the older.

    `idle_timeout_s` after the last frame of a client its session is taken for dead.
    """

    def __init__(self, fleet: Fleet, *, plain: bool, idle_timeout_s: float) -> None:
        self._fleet, self._plain, self._idle_s = fleet, plain, idle_timeout_s
        self._sessions: dict[ClientId, _Session] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def handler(self) -> grpc.GenericRpcHandler:
        """What an aio server is given; frames are decoded here, so that refusals have a reason."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Session": grpc.stream_stream_rpc_method_handler(self._session),
                "Poll": grpc.unary_unary_rpc_method_handler(self._poll),
            },
        )

    def start(self) -> None:
        """Called in the server's loop, before the first session."""
        self._loop = asyncio.get_running_loop()
        self._watch = self._loop.create_task(self._watch_idle())

    async def stop(self) -> None:
        """Ends all sessions."""
        self._watch.cancel()
        for one in self._sessions.values():
            one.outbox.end()

    @property
    def connected(self) -> list[ClientId]:
        """The clients that have a session, in the order of their names."""
        return sorted(self._sessions, key=str.encode)

    def silences(self) -> dict[ClientId, float]:
        """For how many seconds nothing was heard of each client that has a session."""
        now_s = monotonic()
        return {client: now_s - self._sessions[client].heard_s for client in self.connected}

    def silence(self, client: ClientId) -> float:
        """For how many seconds nothing was heard of a client; of one without a session, for ever.

        From any thread.
        """
        one = self._sessions.get(client)
        return inf if one is None else monotonic() - one.heard_s

    def send(self, client: ClientId, frame: Frame) -> None:
        """Says something to a client, from any thread; to one without a session it is not said."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._put, client, frame)

    def _put(self, client: ClientId, frame: Frame) -> None:
        one = self._sessions.get(client)
        if one is not None and not one.outbox.put(frame):
            self._end(client, one)

    # ── a stream ─────────────────────────────────────────────────────────────────────────────────

    async def _session(self, payloads: AsyncIterator[bytes], context: Context) -> None:
        try:
            client = caller(context, plain=self._plain)
            welcome = self._fleet.welcome(client, await self._hello(payloads))
        except FedplatError as error:
            await _abort(context, error)
        one = self._begin(client, _Session(), welcome)
        reading = asyncio.create_task(self._read(client, one, payloads))
        try:
            while (frame := await one.outbox.next()) is not None:
                await self._write(context, wire.encode(frame))
            if reading.done() and (failure := reading.exception()) is not None:
                self._end(client, one)  # before the client hears of it
                await _abort(context, failure)
        finally:
            reading.cancel()
            self._end(client, one)

    async def _write(self, context: Context, payload: bytes) -> None:
        """Hands a frame to the network, which takes none while the client does not read."""
        try:
            async with asyncio.timeout(self._idle_s):
                await context.write(payload)
        except TimeoutError:
            reason = f"the client has not read for {self._idle_s:g} s"
            await _abort(context, TransportError(reason=reason))

    async def _hello(self, payloads: AsyncIterator[bytes]) -> Hello:
        """Raises: ProtocolError, if something else comes first, or nothing for too long."""
        try:
            first = await asyncio.wait_for(anext(aiter(payloads), None), self._idle_s)
        except TimeoutError as error:
            raise ProtocolError(reason=f"no hello came within {self._idle_s:g} s") from error
        hello = wire.decode(first) if first is not None else None
        if not isinstance(hello, Hello):
            raise ProtocolError(reason="a session begins with a hello")
        return hello

    async def _read(self, client: ClientId, one: _Session, payloads: AsyncIterator[bytes]) -> None:
        try:
            async for payload in payloads:
                one.heard_s = monotonic()
                self._fleet.received(client, wire.decode(payload))
        finally:
            one.outbox.end()

    def _begin(self, client: ClientId, one: _Session, welcome: Welcome) -> _Session:
        older = self._sessions.get(client)
        if older is not None:
            older.outbox.put(Drain(REPLACED, REPLACED_RETRY_S))
            older.outbox.end()
        self._sessions[client] = one
        one.outbox.put(welcome)
        self._fleet.opened(client)
        return one

    def _end(self, client: ClientId, one: _Session) -> None:
        if self._sessions.get(client) is one:
            del self._sessions[client]
            self._fleet.closed(client)

    # ── polls ────────────────────────────────────────────────────────────────────────────────────

    async def _poll(self, payload: bytes, context: Context) -> bytes:
        try:
            client = caller(context, plain=self._plain)
            poll = wire.decode_poll(payload)
            one = self._taken(client, poll)
        except FedplatError as error:
            await _abort(context, error)
        wait_s = 0.0 if poll.frames or poll.last else min(poll.wait_s, MOST_POLL_S)
        answer = await one.outbox.after(poll.heard, wait_s)
        if poll.last or one.outbox.ended:
            self._end(client, one)
        return wire.encode_poll_reply(answer)

    def _taken(self, client: ClientId, poll: Poll) -> _Session:
        """The session that a poll belongs to, once what it says was received.

        Raises: FedplatError, which ends the session as it would end a stream.
        """
        one, frames = self._sessions.get(client), poll.frames
        if frames and isinstance(frames[0], Hello):
            welcome = self._fleet.welcome(client, frames[0])
            one, frames = self._begin(client, _Session(poll.session), welcome), frames[1:]
        elif one is None or one.name != poll.session:
            raise TransportError(reason="the session that was polled is over; begin a new one")
        one.heard_s = monotonic()
        try:
            for frame in frames:
                self._fleet.received(client, frame)
        except FedplatError:
            self._end(client, one)
            raise
        return one

    # ── who is silent ────────────────────────────────────────────────────────────────────────────

    async def _watch_idle(self) -> None:
        while True:
            await asyncio.sleep(self._idle_s / 4)
            now_s = monotonic()
            for client, one in list(self._sessions.items()):
                if now_s - one.heard_s > self._idle_s:
                    one.outbox.end()
                    self._end(client, one)


async def _abort(context: Context, error: BaseException) -> NoReturn:
    if isinstance(error, FedplatError):
        await context.abort(status.code_of(error), status.details_of(error), status.trailing(error))
    raise error
