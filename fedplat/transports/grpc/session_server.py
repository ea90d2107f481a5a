"""The coordinator's end of the control plane: one session a client, where either side speaks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NoReturn, Protocol

import grpc
import grpc.aio

from fedplat.errors import FedplatError, ProtocolError
from fedplat.transports.grpc import status
from fedplat.transports.grpc.identity import caller
from fedplat.types import ClientId
from fedplat.wire import session as wire
from fedplat.wire.session import Frame, Hello, Welcome

SERVICE = "fedplat.wire.v1.FleetService"
MOST_WAITING = 1024  # frames for a client that does not read: then its session is ended
MOST_POLL_S = 30.0
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
    """What waits to be said to a client.  None in the queue ends the session."""

    identifier: str
    outbox: asyncio.Queue[Frame | None] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))
    heard_s: float = field(default_factory=monotonic)

    def put(self, frame: Frame | None) -> None:
        try:
            self.outbox.put_nowait(frame)
        except asyncio.QueueFull:  # it does not read: everything is said again in its next session
            while not self.outbox.empty():
                self.outbox.get_nowait()
            self.outbox.put_nowait(None)


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
            one.put(None)

    @property
    def connected(self) -> list[ClientId]:
        """The clients that have a session, in the order of their names."""
        return sorted(self._sessions, key=str.encode)

    def send(self, client: ClientId, frame: Frame) -> None:
        """Says something to a client, from any thread; to one without a session it is not said."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._put, client, frame)

    def _put(self, client: ClientId, frame: Frame) -> None:
        if client in self._sessions:
            self._sessions[client].put(frame)

    # ── a stream ─────────────────────────────────────────────────────────────────────────────────

    async def _session(
        self, payloads: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[bytes]:
        try:
            client = caller(context, plain=self._plain)
            first = await anext(aiter(payloads), None)
            hello = wire.decode(first) if first is not None else None
            if not isinstance(hello, Hello):
                raise ProtocolError(reason="a session begins with a hello")
            welcome = self._fleet.welcome(client, hello)
        except FedplatError as error:
            await _abort(context, error)
        one = self._begin(client, hello)
        reading = asyncio.create_task(self._read(client, one, payloads))
        try:
            yield wire.encode(welcome)
            while (frame := await one.outbox.get()) is not None:
                yield wire.encode(frame)
            if reading.done() and (failure := reading.exception()) is not None:
                await _abort(context, failure)
        finally:
            reading.cancel()
            self._end(client, one)

    async def _read(self, client: ClientId, one: _Session, payloads: AsyncIterator[bytes]) -> None:
        try:
            async for payload in payloads:
                one.heard_s = monotonic()
                self._fleet.received(client, wire.decode(payload))
        finally:
            one.put(None)

    def _begin(self, client: ClientId, hello: Hello) -> _Session:
        if client in self._sessions:
            self._sessions[client].put(None)
        one = self._sessions[client] = _Session(hello.session)
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
            frames, wait_s = wire.decode_poll(payload)
            answer: list[Frame] = []
            if frames and isinstance(frames[0], Hello):
                answer.append(self._fleet.welcome(client, frames[0]))
                self._begin(client, frames[0])
            one = self._sessions.get(client)
            if one is None:
                raise ProtocolError(reason="no session is open; poll with a hello first")
            one.heard_s = monotonic()
            for frame in frames[1:] if answer else frames:
                self._fleet.received(client, frame)
        except FedplatError as error:
            await _abort(context, error)
        answer += await self._waiting(one, 0.0 if answer else min(wait_s, MOST_POLL_S))
        return wire.encode_poll_reply(answer)

    async def _waiting(self, one: _Session, wait_s: float) -> list[Frame]:
        """What waits for a client; the first of it may be waited for."""
        found: list[Frame] = []
        with contextlib.suppress(TimeoutError):
            first = await asyncio.wait_for(one.outbox.get(), wait_s or 0.01)
            found += [] if first is None else [first]
        while len(found) < wire.MAX_FRAMES - 1 and not one.outbox.empty():
            frame = one.outbox.get_nowait()
            found += [] if frame is None else [frame]
        return found

    # ── who is silent ────────────────────────────────────────────────────────────────────────────

    async def _watch_idle(self) -> None:
        while True:
            await asyncio.sleep(self._idle_s / 4)
            now_s = monotonic()
            for client, one in list(self._sessions.items()):
                if now_s - one.heard_s > self._idle_s:
                    one.put(None)
                    self._end(client, one)


async def _abort(context: Context, error: BaseException) -> NoReturn:
    if isinstance(error, FedplatError):
        await context.abort(status.code_of(error), str(error), status.trailing(error))
    raise error
