"""A small real fleet: a coordinator on a free port, and clients that note what they hear."""

import asyncio
import contextlib
from dataclasses import dataclass, field

import grpc.aio

from fedplat.errors import FedplatError, UnauthenticatedError
from fedplat.transports.grpc.channel import CHANNEL_OPTIONS, SERVER_OPTIONS
from fedplat.transports.grpc.identity import metadata
from fedplat.transports.grpc.session_client import SessionClient, stream
from fedplat.transports.grpc.session_server import SERVICE, SessionService
from fedplat.types import ClientId
from fedplat.wire.session import OLDEST_PROTOCOL, PROTOCOL, Hello, Welcome, negotiated

HELLO = Hello(PROTOCOL, OLDEST_PROTOCOL, "test", "{}")
PATIENCE_S = 8.0


async def until(happened):
    """Waits until `happened()`; fails the test, if it never does."""
    async with asyncio.timeout(PATIENCE_S):
        while not happened():
            await asyncio.sleep(0.005)


@dataclass
class Fleet:
    """The coordinator: it writes down what it is told, and lets `known` clients in."""

    known: tuple[str, ...] = ("anna", "ben")
    heartbeat_s: float = 10.0
    heard: list = field(default_factory=list)
    opened_for: list = field(default_factory=list)
    closed_for: list = field(default_factory=list)
    refuses: FedplatError | None = None
    on_opened: object = lambda client: None

    def welcome(self, client, hello):
        if client not in self.known:
            raise UnauthenticatedError(reason=f"there is no client {client}; enrol it")
        return Welcome(negotiated(hello), 1, "test", "{}", "", self.heartbeat_s, 60.0, 4711)

    def opened(self, client):
        self.opened_for.append(client)
        self.on_opened(client)

    def received(self, client, frame):
        if self.refuses is not None:
            raise self.refuses
        self.heard.append((client, frame))

    def closed(self, client):
        self.closed_for.append(client)

    def from_client(self, client):
        return [frame for name, frame in self.heard if name == client]


@dataclass
class Heard:
    """A client's listener: it writes down what it is told."""

    welcomes: list = field(default_factory=list)
    frames: list = field(default_factory=list)
    cuts: list = field(default_factory=list)

    def welcomed(self, welcome):
        self.welcomes.append(welcome)

    def received(self, frame):
        self.frames.append(frame)

    def lost(self, error, again_in_s):
        self.cuts.append((str(error), again_in_s))


@dataclass
class Coordinator:
    """A running server."""

    port: int
    service: SessionService
    server: grpc.aio.Server


@contextlib.asynccontextmanager
async def coordinator(fleet, *, port=0, idle_timeout_s=30.0, keys=None):
    """A server that speaks plain text on loopback, or TLS by `keys`."""
    service = SessionService(fleet, plain=keys is None, idle_timeout_s=idle_timeout_s)
    server = grpc.aio.server(options=SERVER_OPTIONS)
    server.add_generic_rpc_handlers((service.handler(),))
    if keys is None:
        port = server.add_insecure_port(f"localhost:{port}")
    else:
        port = server.add_secure_port(f"localhost:{port}", keys.of_server())
    await server.start()
    service.start()
    try:
        yield Coordinator(port, service, server)
    finally:
        await service.stop()
        await server.stop(0.2)


@contextlib.asynccontextmanager
async def client(port, name="anna", *, line=stream, hello=HELLO, listener=None, dial=None):
    """A session client that runs; yields it, what it heard, and the task that runs it."""
    where = f"localhost:{port}"
    listener = listener or Heard()
    dial = dial or (lambda: grpc.aio.insecure_channel(where, options=CHANNEL_OPTIONS))
    one = SessionClient(
        dial, where, hello, listener, metadata(ClientId(name), plain=True), line=line
    )
    running = asyncio.create_task(one.run())
    try:
        yield one, listener, running
    finally:
        one.stop()
        await asyncio.wait({running}, timeout=PATIENCE_S)
        if running.cancel():
            raise AssertionError("the client did not stop")


async def ending(running):
    """The error that a client's run ends with."""
    await asyncio.wait({running}, timeout=PATIENCE_S)
    return running.exception()


async def spoken(port, payloads, method="Session", name="anna"):
    """What the coordinator answers to raw payloads; the line stays open."""
    async with grpc.aio.insecure_channel(f"localhost:{port}") as channel:
        path, pairs = f"/{SERVICE}/{method}", metadata(ClientId(name), plain=True)
        if method == "Poll":
            return [await channel.unary_unary(path)(payloads[0], metadata=pairs)]
        call = channel.stream_stream(path)(metadata=pairs)
        for payload in payloads:
            await call.write(payload)
        return [answer async for answer in call]
