"""Many client engines in one process: each with its certificate, its session and its own machine.

engines = await Fleet(count, "localhost:7700", keys, answer).start()

What is real: mutual TLS with a certificate each, the session, the client's machine and driver, the
data plane.  What is not: stores are in memory, and `answer` stands in for the training process.
"""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from fedplat.engine.client import Client
from fedplat.engine.commands import DropState, KeepState, Send, Work
from fedplat.engine.events import Acknowledged, ClientEvent, Offered, WorkFinished
from fedplat.engine.messages import Ack, Offer, Submit
from fedplat.errors import FedplatError, TransportError
from fedplat.runtime.driver import Driver
from fedplat.storage.memory import MemoryEvents
from fedplat.transports.grpc.blob_client import BlobClient
from fedplat.transports.grpc.channel import Credentials
from fedplat.transports.grpc.dial import Dialer
from fedplat.transports.grpc.identity import metadata
from fedplat.transports.grpc.session_client import SessionClient
from fedplat.types import ClientId, Digest, Metrics, client_id
from fedplat.wire.session import OLDEST_PROTOCOL, PROTOCOL, Finished, Frame, Hello, Welcome

AGAIN_S = 0.2  # between attempts to move a blob
HELLO = Hello(PROTOCOL, OLDEST_PROTOCOL, "fedplat benchmark", json.dumps({}))


@dataclass(frozen=True)
class Update:
    """What a client answers to an offer, as bytes and their digest."""

    digest: Digest
    payload: memoryview
    weight: float = 1.0


@dataclass(frozen=True)
class Answer:
    """An update, or None to an evaluation, and the metrics beside it."""

    update: Update | None
    metrics: Metrics


# What stands in for training: None lets the offer lie.  Called in a thread.
Answering = Callable[[Offer, BlobClient], Answer | None]


def lies(offer: Offer, data: BlobClient) -> Answer | None:
    """Never answers: the client is at work for ever."""


class Engine:
    """One client: its machine behind a session that it holds until the federation has ended."""

    def __init__(self, name: ClientId, where: str, dialer: Dialer, answer: Answering) -> None:
        self.name, self._where, self._dialer, self._answer = name, where, dialer, answer
        self.finished: Finished | None = None
        self.connected, self.times_lost = False, 0
        self._metadata = metadata(name, plain=dialer.keys is None)
        self._data: BlobClient | None = None
        self._updates: dict[Digest, memoryview] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._machine = Client(name)
        self._driver = Driver(
            self._machine,
            MemoryEvents(),
            {
                Work: lambda command: self._begin(self._work(command.offer)),
                Send: lambda command: self._begin(self._deliver(command)),
                KeepState: lambda command: self._updates.clear(),
                DropState: lambda command: self._updates.clear(),
            },
        )
        self._session = SessionClient(
            partial(dialer.control, where), where, HELLO, self, self._metadata
        )

    async def run(self) -> None:
        """Until the federation has ended, or `stop`."""
        await self._session.run()
        for task in self._tasks:
            task.cancel()

    def stop(self) -> None:
        self._session.stop()

    # ── the session ──────────────────────────────────────────────────────────────────────────────

    def welcomed(self, welcome: Welcome) -> None:
        self.connected = True
        if self._data is None:
            host = f"{self._where.rpartition(':')[0]}:{welcome.data_port}"
            self._data = BlobClient(self._dialer.data(host), host, metadata=self._metadata)
        elif self._machine.answer is not None:
            for command in self._machine.resume(monotonic()):
                self._begin(self._deliver(command))  # type: ignore[arg-type]

    def received(self, frame: Frame) -> None:
        match frame:
            case Offer():
                self._post(Offered(monotonic(), frame))
            case Ack(round_id=round_id, verdict=verdict):
                self._post(Acknowledged(monotonic(), round_id, verdict))
            case Finished():
                self.finished = frame
                self._session.send(frame)  # the coordinator waits for it
                self.stop()
            case _:
                pass

    def lost(self, error: TransportError, again_in_s: float) -> None:
        self.connected = False
        self.times_lost += 1

    # ── what the machine asks for ────────────────────────────────────────────────────────────────

    def _post(self, event: ClientEvent) -> None:
        self._driver.post(event)
        self._driver.flush()

    def _begin(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, offer: Offer) -> None:
        answer = await asyncio.to_thread(self._answer, offer, self._data)
        if answer is None:
            return
        update = answer.update
        if update is not None:
            self._updates = {update.digest: update.payload}
        finished = WorkFinished(
            monotonic(), offer.round_id, offer.task,
            update and update.digest, update.weight if update else 0.0, answer.metrics,
        )  # fmt: skip
        self._post(finished)

    async def _deliver(self, command: Send) -> None:
        message = command.message
        if isinstance(message, Submit) and message.update is not None:
            await asyncio.to_thread(self._upload, message.update)
        self._session.send(message)

    def _upload(self, digest: Digest) -> None:
        moved = partial(self._data.put, digest, self._updates[digest])  # type: ignore[union-attr]
        persist(moved)


def persist(move: Callable[[], object]) -> None:
    """Moves a blob, as often as a later attempt may succeed.  Blocks."""
    while True:
        try:
            move()
            return
        except FedplatError as error:
            if not error.retryable:
                raise
        sleep(AGAIN_S)


class Fleet:
    """`count` engines that speak to the coordinator at `where`.

    `keys` is the folder of their certificates; without it plain text is spoken.  `threads` is how
    many of them may be at work or move a blob at a time.
    """

    def __init__(
        self,
        count: int,
        where: str,
        keys: Path | None,
        answer: Answering = lies,
        *,
        threads: int = 32,
    ) -> None:
        self._threads = ThreadPoolExecutor(threads, "fleet")
        self.engines = [
            Engine(client_id(i), where, _dialer(client_id(i), keys), answer) for i in range(count)
        ]

    async def start(self, timeout_s: float = 120.0) -> float:
        """Returns once all are connected, with how many seconds it took."""
        asyncio.get_running_loop().set_default_executor(self._threads)
        begun_s = monotonic()
        self._running = [asyncio.create_task(one.run()) for one in self.engines]
        async with asyncio.timeout(timeout_s):
            while not all(one.connected for one in self.engines):
                self._raise_failures()
                await asyncio.sleep(0.05)
        return monotonic() - begun_s

    async def finish(self) -> None:
        """Returns once all have heard the end of the federation."""
        await asyncio.gather(*self._running)

    async def stop(self) -> None:
        """Ends all sessions."""
        for one in self.engines:
            one.stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*self._running), 10.0)

    @property
    def connected(self) -> int:
        return sum(one.connected for one in self.engines)

    @property
    def times_lost(self) -> int:
        """How often a session was cut, or did not come about."""
        return sum(one.times_lost for one in self.engines)

    def _raise_failures(self) -> None:
        for task in self._running:
            if task.done():
                task.result()


def _dialer(name: ClientId, keys: Path | None) -> Dialer:
    if keys is None:
        return Dialer(None)
    own = keys / f"{name}.key", keys / f"{name}.pem"
    return Dialer(Credentials(*own, keys / "authority.pem"))
