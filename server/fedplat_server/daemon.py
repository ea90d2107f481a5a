"""The coordinator's daemon: opens its stores and its ports, and runs until the federation ends."""

import asyncio
import gc
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

import grpc
import grpc.aio

from fedplat.config import attacking, dealt
from fedplat.config import run_folder as folders
from fedplat.config import scenario as scenarios
from fedplat.config.build import Parts, build
from fedplat.config.deployment import CoordinatorDeployment
from fedplat.config.run_records import RunRecords
from fedplat.engine.commands import Finish
from fedplat.engine.events import CoordinatorEvent, RoundCommitted, Started
from fedplat.engine.journal import decode, encode
from fedplat.errors import ConfigError, InterruptedRunError
from fedplat.learning import numerics
from fedplat.runtime.driver import Driver
from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import Incoming
from fedplat.storage.sqlite import SqliteStore
from fedplat.telemetry.metrics_file import MetricsFile
from fedplat.telemetry.recorder import Recorder, readable
from fedplat.transports.grpc import reflection
from fedplat.transports.grpc.blob_server import BlobService
from fedplat.transports.grpc.channel import (
    DATA_OPTIONS,
    SERVER_OPTIONS,
    Credentials,
    require_loopback,
)
from fedplat.transports.grpc.health import Health
from fedplat.transports.grpc.session_server import SessionService
from fedplat.transports.grpc.slots import Slots
from fedplat.types import ClientId
from fedplat_server.admin import AdminService
from fedplat_server.coordination import Coordination, Terms
from fedplat_server.engine_thread import EngineThread
from fedplat_server.goodbye import Goodbye, last_word
from fedplat_server.operations import Operations
from fedplat_server.process import allow_open_files

EXECUTOR = {"executor": "daemons", "numerics": "step"}
MOST_CALLS = 4096  # sessions and polls at a time
WAITING_TRANSFERS = 248  # may hold a thread while they wait; those beyond are told to come again
SPARE_THREADS = 16  # tell them


@dataclass(frozen=True)
class Outcome:
    """How a federation ended: its last round, the digest of its model, its folder.

    `unheard` are clients that did not come to hear of it: a coordinator started again tells them.
    """

    rounds: int
    digest: str
    run: Path
    unheard: tuple[ClientId, ...] = ()


class RealClock:
    """Seconds since the federation began, whatever the machine's clock does."""

    def __init__(self) -> None:
        self._zero_s = monotonic()

    def set(self, now_s: float) -> None:
        """Goes on from a time that an earlier process came to."""
        self._zero_s = monotonic() - now_s

    def now(self) -> float:
        """As in `Clock`."""
        return monotonic() - self._zero_s


def serve(
    deployment: CoordinatorDeployment,
    subscribers: Sequence[Any] = (),
    ready: Callable[[str, str], None] = lambda address, data_address: None,
) -> Outcome:
    """Runs a coordinator until its federation has ended, or SIGTERM or SIGINT stops it.

    `subscribers` are told the records of the run; `ready` the addresses that are listened on.

    Raises: ConfigError before anything is opened; what the federation failed with;
    InterruptedRunError, if it was stopped: started again, it goes on.
    """
    numerics.configure()
    allow_open_files()
    overrides = {} if deployment.clients is None else {"clients.count": deployment.clients}
    parts = build(scenarios.load(deployment.scenario, overrides))
    attacking.refuse_collusion(parts.work.lies)
    gc.freeze()  # what has been imported stays: no later collection looks at it
    with ExitStack() as stack:
        return asyncio.run(_Daemon(deployment, parts, subscribers, stack).run(ready))


class _Daemon:
    """One run of the daemon."""

    def __init__(
        self,
        deployment: CoordinatorDeployment,
        parts: Parts,
        subscribers: Sequence[Any],
        stack: ExitStack,
    ) -> None:
        self.deployment, self.parts, self.stack = deployment, parts, stack
        self.folder = _folder(deployment.run, parts)
        self.store = stack.enter_context(SqliteStore(self.folder.store))
        freeing = stack.enter_context(ThreadPoolExecutor(1, "fedplat-free"))
        self.blobs = FileBlobs(self.folder.blobs, freeing.submit)
        quota_gb = deployment.spool_quota_gb
        self.incoming = Incoming(
            self.blobs, self.folder.blobs / "incoming",
            quota_bytes=None if quota_gb is None else int(quota_gb * 1e9),
        )  # fmt: skip
        self.records = RunRecords(parts, [MetricsFile(self.folder.metrics), *subscribers])
        for one in self.records.subscribers:
            stack.callback(one.close)
        self.recorder = Recorder(self.records.tell, parts.plan.rounds, parts.plan.evaluates)
        self.end: asyncio.Future[Finish | BaseException] | None = None
        self.was_over = False  # before it was started

    async def run(self, ready: Callable[[str, str], None]) -> Outcome:
        """As in `serve`."""
        loop = asyncio.get_running_loop()
        self.loop, self.end = loop, loop.create_future()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ended, InterruptedRunError(
                round_id=0, remedy="start it again with the same file: it goes on"
            ))  # fmt: skip
        self.data_port = 0
        engine = EngineThread(self._ended)
        terms = Terms(
            self._epoch(),
            self.deployment.heartbeat_s,
            self.deployment.idle_timeout_s,
            lambda: self.data_port,
        )
        self.clock = RealClock()
        work = Coordination(
            self.parts, self.blobs, engine, self.clock, terms, self._ended,
            keep_updates=self.deployment.keep_updates,
        )  # fmt: skip
        self.operations = Operations(
            work.coordinator, engine, self.store, self.clock, terms.epoch, self._ended
        )
        async with AsyncExitStack() as opened:
            sessions = await self._listen(work, opened, ready)
            engine.start(*self._driver(work))
            end = await self.end
            self.operations.close(end)
            goodbye = Goodbye(
                work, sessions, self.store, last_word(end, work.coordinator.round.round_id)
            )
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, goodbye.stop)
            try:
                outcome = await asyncio.to_thread(self._closed, engine, work, end)
            finally:
                unheard = await goodbye.linger(self._owed(work))
        return replace(outcome, unheard=tuple(unheard))

    async def _listen(
        self, work: Coordination, opened: AsyncExitStack, ready: Callable[[str, str], None]
    ) -> SessionService:
        """Opens both ports; they are closed with `opened`."""
        plain = self.deployment.tls is None
        sessions = SessionService(work, plain=plain, idle_timeout_s=self.deployment.idle_timeout_s)
        service = BlobService(
            self.incoming, self.blobs.get, work.permit,
            Slots(self.deployment.transfers, WAITING_TRANSFERS),
            plain=plain,
            upload_limit_bytes=self.parts.work.cargo.update_limit_bytes,
            idle_timeout_s=self.deployment.idle_timeout_s,
            between=work.changes.between, travelling=work.server.travelling,
            sent=work.transport.sent,
            holding=self.blobs.in_use.holding,
        )  # fmt: skip
        threads = self.deployment.transfers + WAITING_TRANSFERS + SPARE_THREADS
        data = grpc.server(
            ThreadPoolExecutor(threads, "fedplat-blobs"),
            options=DATA_OPTIONS,
            maximum_concurrent_rpcs=threads,
        )
        data.add_generic_rpc_handlers((service.handler(),))
        control = grpc.aio.server(options=SERVER_OPTIONS, maximum_concurrent_rpcs=MOST_CALLS)
        admin = AdminService(self.operations, plain=plain)
        control.add_generic_rpc_handlers((sessions.handler(), admin.handler()))
        health = Health(control)
        if self.deployment.reflection:
            reflection.add_to(control, plain=plain)
        self.data_port = self._bind(data, self.deployment.data_address)
        port = self._bind(control, self.deployment.address)
        data.start()
        opened.callback(lambda: data.stop(None).wait())
        await control.start()
        opened.push_async_callback(control.stop, 1.0)
        sessions.start()
        opened.push_async_callback(sessions.stop)
        await health.start()
        opened.push_async_callback(health.stop)
        work.speak, work.met = sessions.send, self.records.environments.on
        work.silence = sessions.silence
        host = self.deployment.address.rpartition(":")[0]
        self.operations.heard, self.operations.speak = sessions.silences, sessions.send
        self.operations.unlike = self.records.environments.unlike
        self.operations.progress = work.progress
        addresses = f"{host}:{port}", f"{host}:{self.data_port}"
        self.operations.address, self.operations.data_address = addresses
        ready(*addresses)
        return sessions

    def _bind(self, server: Any, address: str) -> int:
        tls = self.deployment.tls
        try:
            if tls is None:
                require_loopback(address)
                return int(server.add_insecure_port(address))
            keys = Credentials(tls.key, tls.certificate, tls.authority).of_server()
            return int(server.add_secure_port(address, keys))
        except RuntimeError as error:
            reason = "can not be listened on: the port is in use, or the address is not of this "
            raise ConfigError(where=address, reason=f"{reason}machine; choose another") from error

    def _driver(self, work: Coordination) -> tuple[Driver, Callable[[], None]]:
        """The driver, and what is done first in its thread."""
        self.recorder.federation = work
        self.recorder.unlike = self.records.environments.unlike
        events = self.stack.enter_context(self.folder.events.open("wb"))

        def written(event: CoordinatorEvent) -> None:
            events.write(encode(event) + b"\n")
            events.flush()

        def tidied(event: CoordinatorEvent) -> None:
            if isinstance(event, RoundCommitted):
                work.tidy(event)
                self.incoming.sweep()

        driver = Driver(
            work.coordinator, self.store, work.performers,
            observers=(written, work.count, self.recorder.on, tidied, self.operations.on),
        )  # fmt: skip

        def begin() -> None:
            for entry in self.store.read():
                events.write(entry + b"\n")
            events.flush()
            driver.replay()
            if work.coordinator.phase == "idle":
                self.records.start(EXECUTOR["executor"], self._warnings())
                driver.post(Started(self.clock.now(), work.epoch))
                driver.post(work.server.initialise(self.clock.now()))
                return
            self.was_over = work.coordinator.phase == "finished"
            self.clock.set(work.coordinator.now_s)
            past = [decode(entry) for entry in self.store.read()]
            work.server.go_on(past)
            work.count_again(past, self.records.catch_up(past, self.recorder))
            changed = folders.changed(self.folder, numerics.environment())
            self.records.start(EXECUTOR["executor"], changed)
            driver.post(Started(self.clock.now(), work.epoch))
            driver.flush()
            driver.resume(self.clock.now())

        return driver, begin

    def _warnings(self) -> list[str]:
        warnings = list(self.parts.warnings)
        if self.parts.scenario.evaluation.baselines:
            why = "baselines are left out: they take every client's data to one place; "
            warnings.append(f"{why}`fedplat sim run` measures them")
        return warnings

    def _epoch(self) -> int:
        """How often this run's coordinator has been started, this time included."""
        epoch = int.from_bytes(self.store.get("epoch") or b"", "little") + 1
        self.store.put({"epoch": epoch.to_bytes(8, "little")})
        return epoch

    def _ended(self, end: Finish | BaseException) -> None:
        """The federation is over, or the daemon must stop.  From any thread."""

        def settle() -> None:
            if self.end is not None and not self.end.done():
                self.end.set_result(end)

        self.loop.call_soon_threadsafe(settle)

    def _owed(self, work: Coordination) -> set[ClientId]:
        """Who should hear of the end: all who took part, since they may still be there."""
        if self.was_over:
            return set(self.parts.shards)
        return set(work.coordinator.last.accepted) | work.guests

    def _closed(
        self, engine: EngineThread, work: Coordination, end: Finish | BaseException
    ) -> Outcome:
        """Ends what computes, and writes the result."""
        engine.stop()
        work.close()
        return self._outcome(work, end)

    def _outcome(self, work: Coordination, end: Finish | BaseException) -> Outcome:
        if isinstance(end, InterruptedRunError):
            last = work.coordinator.last.round_id
            raise InterruptedRunError(round_id=last, remedy=end.fields["remedy"])
        if isinstance(end, BaseException):
            raise end
        params = work.server.cargo.decode_broadcast(self.blobs.get(end.broadcast))[0]
        folders.write_model(self.folder.model, params)
        self.recorder.settle()
        self.records.choose(end)
        found = self._figures(work, end)
        self.records.finish(end, found, self.clock.now(), self.folder.path)
        return Outcome(end.round_id, str(end.model), self.folder.path)

    def _figures(self, work: Coordination, end: Finish) -> Mapping[str, float | None]:
        """The result's accuracy and loss; measured now, if its round was not evaluated."""
        if found := self.recorder.central.get(end.selected):
            return found
        measured = readable(work.measure(end.selected, end.broadcast))
        return measured or self.recorder.personal.get(end.selected, {})


def _folder(path: Path, parts: Parts) -> folders.RunFolder:
    """The run's folder, made or gone on with.

    Raises: ConfigError, if another scenario was begun in it.
    """
    if folders.is_free(path):
        settings = {**EXECUTOR, **dealt.noted(parts.loaded, parts.shards)}
        return folders.create(path, parts.scenario, numerics.environment(), settings)
    folder, scenario, _ = folders.reopen(path)
    if scenario.digest() != parts.scenario.digest():
        reason = "holds a run of another scenario; give another `run` folder, or that scenario"
        raise ConfigError(where=str(path), reason=reason)
    return folder
