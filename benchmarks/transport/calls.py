"""How many calls a second a coordinator answers, beside an aio server that does nothing."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio

from benchmarks.figures import ROOT
from benchmarks.transport import echo
from benchmarks.transport.coordinator import coordinator, environment
from benchmarks.transport.fleet import HELLO
from benchmarks.transport.thousand import scenario
from fedplat.transports.grpc.channel import CHANNEL_OPTIONS
from fedplat.transports.grpc.identity import metadata
from fedplat.transports.grpc.session_server import SERVICE
from fedplat.types import ClientId, client_id
from fedplat.wire import session as wire
from fedplat.wire.session import Heartbeat, Poll

CONNECTIONS = 64


@dataclass(frozen=True)
class Rates:
    """Calls a second, by turn; `ours` and `empty` of one turn stand side by side."""

    ours: Sequence[float]
    empty: Sequence[float]
    asked_bytes: int
    answered_bytes: int


def measure(turns: int, seconds: float, folder: Path) -> Rates:
    """Each turn asks both servers for `seconds`: the empty one, then ours, then the reverse."""
    start = coordinator(folder / "calls", scenario(CONNECTIONS), transfers=1)
    with start as running, empty(0) as where:
        return asyncio.run(_measured(running.address, where, turns, seconds))


@contextmanager
def empty(answered_bytes: int) -> Iterator[str]:
    """A server that answers so many bytes, in a process of its own; where it is reached."""
    command = [sys.executable, "-m", "benchmarks.transport.echo", str(answered_bytes)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            yield f"localhost:{int(process.stdout.readline())}"
        finally:
            process.communicate()


async def _measured(ours: str, floor: str, turns: int, seconds: float) -> Rates:
    async with AsyncExitStack() as stack:
        lines = [await _session(ours, client_id(i), stack) for i in range(CONNECTIONS)]
        floors = [await _floor(floor, one, stack) for one in lines]
        found: dict[bool, list[float]] = {True: [], False: []}
        for turn in range(turns + 1):
            for is_ours in (True, False) if turn % 2 else (False, True):
                rate = await _rate(lines if is_ours else floors, seconds)
                found[is_ours] += [rate] if turn else []  # the first turn warms up
        sizes = len(lines[0].payload), len(await lines[0].call())
        return Rates(found[True], found[False], *sizes)


@dataclass(frozen=True)
class _Line:
    method: Any
    payload: bytes
    metadata: Any

    async def call(self) -> bytes:
        answer: bytes = await self.method(self.payload, metadata=self.metadata)
        return answer


async def _session(where: str, name: ClientId, stack: AsyncExitStack) -> _Line:
    """A session in polls whose every word is heard: what follows is answered with nothing."""
    channel = grpc.aio.insecure_channel(where, options=CHANNEL_OPTIONS)
    method: Any = (await stack.enter_async_context(channel)).unary_unary(f"/{SERVICE}/Poll")
    own, session, heard = metadata(name, plain=True), f"{name}-calls", 0
    for frames in (HELLO,), (Heartbeat(),), (Heartbeat(),):
        payload = wire.encode_poll(Poll(frames, 0.0, session, heard))
        heard += len(wire.decode_poll_reply(await method(payload, metadata=own)))
        await asyncio.sleep(0.01)
    return _Line(method, wire.encode_poll(Poll((Heartbeat(),), 0.0, session, heard)), own)


async def _floor(where: str, like: _Line, stack: AsyncExitStack) -> _Line:
    channel = grpc.aio.insecure_channel(where, options=CHANNEL_OPTIONS)
    await stack.enter_async_context(channel)
    return _Line(channel.unary_unary(f"/{echo.SERVICE}/Call"), like.payload, like.metadata)


async def _rate(lines: Sequence[_Line], seconds: float) -> float:
    """Calls a second of all lines together, each with one call under way at a time."""
    start = time.perf_counter()

    async def ask(line: _Line) -> int:
        count = 0
        while time.perf_counter() - start < seconds:
            await line.call()
            count += 1
        return count

    counts = await asyncio.gather(*map(ask, lines))
    return sum(counts) / (time.perf_counter() - start)
