"""What an operator can do to a running coordinator, whoever asks for it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from itertools import islice

from fedplat.engine.commands import Finish
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import (
    AbortRequested,
    ClientQuarantined,
    ClientReleased,
    CoordinatorEvent,
    PauseRequested,
    ResumeRequested,
    RoundCommitted,
)
from fedplat.engine.phase import OVER
from fedplat.engine.quarantine import objection, release_objection
from fedplat.errors import ConfigError, InterruptedRunError, ProtocolError
from fedplat.runtime.ports import Clock, EventStore
from fedplat.types import ClientId
from fedplat.wire.admin import End, Record, Standing
from fedplat.wire.clients import ClientStanding
from fedplat.wire.session import Cancel, Frame, Progress
from fedplat_server.engine_thread import EngineThread
from fedplat_server.registered import require_registered
from fedplat_server.standing import clients, standing

PAGE = 256  # events that a watcher is told at a time
AGAIN = "start it again with the same file: it goes on"
Heard = Callable[[], Mapping[ClientId, float]]
Objection = Callable[[Coordinator, ClientId], str]
At = Callable[[float], CoordinatorEvent]


@dataclass(eq=False)
class Operations:
    """Pause, resume, abort, drain, stop, quarantine, and what there is to see.

    Guarantees: what is answered is in the log; a pause or an abort outlives the process.
    """

    machine: Coordinator
    engine: EngineThread
    log: EventStore
    clock: Clock
    epoch: int
    ended: Callable[[BaseException], None]
    heard: Heard = dict
    unlike: Mapping[ClientId, Sequence[str]] = field(default_factory=dict)
    progress: Mapping[ClientId, Progress] = field(default_factory=dict)
    speak: Callable[[ClientId, Frame], None] = lambda client, frame: None
    address: str = ""
    data_address: str = ""
    _draining: bool = False
    _last: Record | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def __post_init__(self) -> None:
        self._started_s = self._loop.time()

    async def standing(self) -> Standing:
        """How the federation stands at this moment."""
        connected, seconds = self.heard(), self._loop.time() - self._started_s
        asked: Future[Standing] = Future()
        self.engine.call(
            lambda: asked.set_result(
                standing(self.machine, connected, self.epoch, seconds, self.unlike, self.progress)
            )
        )
        return replace(
            await asyncio.wrap_future(asked),
            draining=self._draining,
            address=self.address,
            data_address=self.data_address,
        )

    async def pause(self) -> None:
        """Lets the open round come to its commit, and opens no further one."""
        await self._post(PauseRequested(self.clock.now()))

    async def resume(self) -> None:
        """Lets a paused federation go on."""
        await self._post(ResumeRequested(self.clock.now()))

    async def abort(self, reason: str) -> None:
        """Ends the federation, without a result."""
        await self._post(AbortRequested(self.clock.now(), reason))

    async def quarantine(self, client: str, reason: str) -> None:
        """Has nothing more asked of a client, and nothing of it count.

        Raises: ConfigError, if it is unknown, or the federation could not go on without it.
        """
        held = require_registered(self.machine.plan, client)
        await self._decide(held, objection, lambda now_s: ClientQuarantined(now_s, held, reason))

    async def release(self, client: str) -> None:
        """Lets a client out of quarantine.

        Raises: ConfigError, if it is unknown, or in none.
        """
        free = require_registered(self.machine.plan, client)
        await self._decide(free, release_objection, lambda now_s: ClientReleased(now_s, free))

    async def clients(self, after: ClientId) -> tuple[tuple[ClientStanding, ...], bool]:
        """What the log says of the next clients after this one, and whether there are more."""
        connected = self.heard()
        asked: Future[tuple[tuple[ClientStanding, ...], bool]] = Future()
        self.engine.call(lambda: asked.set_result(clients(self.machine, connected, after)))
        return await asyncio.wrap_future(asked)

    async def drain(self) -> None:
        """Stops the daemon once the open round is committed; at once, if none is open."""
        self._draining = True
        if (await self.standing()).phase in ("idle", "surveying", "paused"):
            self.shutdown()

    def shutdown(self) -> None:
        """Stops the daemon now; started again, it goes on."""
        self._loop.call_later(0.1, self._stop)  # its caller is answered before

    async def records(self, resume_token: int) -> AsyncIterator[Record]:
        """The events of the log from `resume_token` on, and those to come, until the end.

        Raises: ProtocolError, if the log does not reach that far.
        """
        version = await asyncio.to_thread(lambda: self.log.version)
        if resume_token > version:
            reason = f"the resume token {resume_token} is not of this run, which has {version}"
            raise ProtocolError(reason=f"{reason} events; watch from 0")
        while True:
            changed, last = self._changed, self._last  # before the log is read: nothing is missed
            entries = await asyncio.to_thread(self._read, resume_token)
            for entry in entries:
                resume_token += 1
                yield Record(resume_token, entry.decode())
            if not entries and last is not None:
                yield replace(last, resume_token=resume_token)
                return
            if not entries:
                await changed.wait()

    def on(self, event: CoordinatorEvent) -> None:
        """Is told every event that is in the log, in the engine's thread."""
        self._loop.call_soon_threadsafe(self._wake)
        if isinstance(event, ClientQuarantined):
            self._let_go(event)
        if self._draining and isinstance(event, RoundCommitted):
            self.engine.call(self._stop_between_rounds)

    def close(self, end: Finish | BaseException) -> None:
        """Tells the watchers how it ended, in the loop."""
        how: End = "finished" if isinstance(end, Finish) else "failed"
        if isinstance(end, InterruptedRunError):
            how = "stopped"
        self._last = Record(0, end=how, detail="" if isinstance(end, Finish) else str(end))
        self._wake()

    def _let_go(self, event: ClientQuarantined) -> None:
        """Tells a client that works on something, in vain, to leave it off."""
        client, machine = event.client, self.machine
        at = machine.awaited(client) or machine.backlog.assignments.get(client)
        if at is not None and at.task == "fit":
            self.speak(client, Cancel(at.round_id, f"quarantined: {event.reason}"))

    async def _decide(self, client: ClientId, against: Objection, event: At) -> None:
        """Logs an event unless something speaks against it at that very moment."""
        decided: Future[str] = Future()

        def decide() -> None:
            why = against(self.machine, client)
            if not why:
                self.engine.log(event(self.clock.now()))
            decided.set_result(why)

        self.engine.call(decide)
        if why := await asyncio.wrap_future(decided):
            raise ConfigError(where=client, reason=why)

    async def _post(self, event: CoordinatorEvent) -> None:
        logged: Future[None] = Future()
        self.engine.post(event)
        self.engine.call(lambda: logged.set_result(None))
        await asyncio.wrap_future(logged)

    def _read(self, resume_token: int) -> list[bytes]:
        return list(islice(self.log.read(resume_token), PAGE))

    def _stop_between_rounds(self) -> None:
        if self.machine.phase not in OVER:  # then it ends by itself
            self._stop()

    def _stop(self) -> None:
        self.ended(InterruptedRunError(round_id=0, remedy=AGAIN))

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
