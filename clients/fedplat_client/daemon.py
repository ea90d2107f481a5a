"""The client's daemon: its machine, its stores, its training process, its line to the coordinator.

Everything that it has promised survives it: an offer that it has taken, an update that it has made.
"""

import asyncio
import json
import signal
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from time import monotonic
from typing import Any

from fedplat import __version__
from fedplat.config import scenario as scenarios
from fedplat.config.build import Own
from fedplat.config.deployment import ClientDeployment
from fedplat.config.scenario import Scenario
from fedplat.engine.client import Client
from fedplat.engine.commands import DropState, KeepState, Send, StopWork, Work
from fedplat.engine.events import (
    Acknowledged,
    Cancelled,
    ClientEvent,
    Offered,
    WorkFailed,
    WorkFinished,
)
from fedplat.engine.messages import Ack, Decline, Offer, Submit, Task
from fedplat.errors import ConfigError, FedplatError, RoundError, TrainingError
from fedplat.learning import numerics
from fedplat.runtime.client_states import ClientStates
from fedplat.runtime.client_work import ClientTask, Failed, work_failed
from fedplat.runtime.driver import Driver
from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import Incoming
from fedplat.storage.sqlite import SqliteStore
from fedplat.transports.grpc.channel import Credentials, require_loopback
from fedplat.transports.grpc.dial import Dialer
from fedplat.transports.grpc.identity import metadata, name_in
from fedplat.transports.grpc.poll_client import poll
from fedplat.transports.grpc.session_client import Line, SessionClient, stream
from fedplat.types import ClientId, Digest
from fedplat.wire.session import (
    OLDEST_PROTOCOL,
    PROTOCOL,
    Accept,
    Cancel,
    Finished,
    Frame,
    Hello,
    Welcome,
)
from fedplat_client import ending, terms
from fedplat_client.broadcasts import Broadcasts
from fedplat_client.gate import Gate
from fedplat_client.ledger import Ledger
from fedplat_client.moving import Mover
from fedplat_client.trainer import Limits, Trainer

SOFTWARE = f"fedplat {__version__}"
LINES: dict[str, Line] = {"stream": stream, "poll": poll}
GOODBYE_S = 5.0  # for the coordinator to end the session
DECLINE_S = 5.0  # for the coordinator to ask a client that will decline

Tell = Callable[[dict[str, Any]], None]


def serve(deployment: ClientDeployment, tell: Tell) -> Finished:
    """Runs a client until its federation has ended, or SIGTERM or SIGINT stops it.

    `tell` is told records: {"event": "connected" | "lost" | "offer" | "submitted" | …}.
    Returns: how the federation ended.  Stopped by a signal, SystemExit.

    Raises: ConfigError, if the deployment can not work; any other FedplatError that the coordinator
    answers and that no later attempt can change.
    """
    numerics.configure()
    with ExitStack() as stack:
        return asyncio.run(_Daemon(deployment, tell, stack).run())


class _Daemon:
    """One run of the daemon."""

    def __init__(self, deployment: ClientDeployment, tell: Tell, stack: ExitStack) -> None:
        self.deployment, self.tell = deployment, tell
        tls = deployment.tls
        keys = None if tls is None else Credentials(tls.key, tls.certificate, tls.authority)
        if keys is None:
            require_loopback(deployment.coordinator)
        self.dialer = Dialer(keys, deployment.proxy)
        self.name = ClientId(deployment.name or name_in(deployment.tls.certificate))  # type: ignore[union-attr]
        self.metadata = metadata(self.name, plain=keys is None)
        self.mover = Mover(
            self.dialer,
            self.metadata,
            queued=lambda position: tell({"event": "queued", "position": position}),
            lost=self.lost,
        )
        stack.callback(self.mover.close)
        self.store = stack.enter_context(SqliteStore(deployment.folder / "store.sqlite"))
        self.blobs = FileBlobs(deployment.folder / "blobs")
        self.incoming = Incoming(self.blobs, deployment.folder / "blobs" / "incoming")
        self.broadcasts = Broadcasts(self.blobs, self.incoming, self.store)
        self.states = ClientStates(self.store)
        self.ledger = Ledger(deployment.folder)
        stack.callback(self.ledger.close)
        self.say = Gate(deployment.disclose, self.ledger, self._say, tell)
        self.machine = Client(self.name)
        performers: dict[type[Any], Callable[[Any], None]] = {
            Work: self._work,
            Send: self._send,
            KeepState: lambda command: self.states.keep(self.name, command.round_id),
            DropState: lambda command: self.states.drop(self.name, command.round_id),
            StopWork: self._stop_work,
        }
        self.driver = Driver(self.machine, self.store, performers)
        self.zero_s = monotonic()
        limits = Limits(deployment.memory_mb, deployment.training_timeout_s, deployment.sandbox)
        self.trainer = Trainer(deployment.folder / "training", limits)
        self.loading: asyncio.Task[None] | None = None
        self.first_load = self.may_decline = False
        self.refusal: ConfigError | None = None
        self.away_since_s: float | None = 0.0  # None: connected
        self.working: asyncio.Task[None] | None = None
        self.at_work: tuple[int, Task] | None = None
        self.sending: asyncio.Task[None] | None = None

    async def run(self) -> Finished:
        """As in `serve`."""
        loop = asyncio.get_running_loop()
        self.over: asyncio.Future[Finished] = loop.create_future()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, partial(self._end, SystemExit(128 + number)))
        if (end := ending.noted(self.store)) is not None:
            self.tell({"event": "over", "why": ending.OVER})
            return end
        self.driver.replay()
        where, hello = self.deployment.coordinator, self._hello()
        self.session = SessionClient(
            partial(self.dialer.control, where), where, hello, self, self.metadata,
            line=LINES[self.deployment.transport],
            explain=partial(self.dialer.refusal, where),
        )  # fmt: skip
        await self.trainer.warm()  # before any channel exists: a fork beside one is fragile
        try:
            await self._talk()
        finally:
            self.trainer.stop()
        return self.over.result()

    def _hello(self) -> Hello:
        """What every session begins with; noted as what leaves."""
        where, environment = self.deployment.coordinator, asdict(numerics.environment())
        mine = {"client": self.name, "software": SOFTWARE, "environment": environment}
        self.ledger.before("hello", coordinator=where, **mine)
        plain = json.dumps(environment, sort_keys=True)
        return Hello(PROTOCOL, OLDEST_PROTOCOL, SOFTWARE, plain)

    async def _talk(self) -> None:
        """Holds the session until the federation is over, or nothing can come of it."""
        talking = asyncio.create_task(self.session.run())
        ends: set[asyncio.Future[Any]] = {talking, self.over}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        self.session.stop()
        for task in (self.loading, self.working, self.sending):
            if task is not None:
                task.cancel()
        await asyncio.wait({talking}, timeout=GOODBYE_S)
        if not talking.cancel() and not talking.cancelled():
            talking.result()

    # ── the session ──────────────────────────────────────────────────────────────────────────────

    def welcomed(self, welcome: Welcome) -> None:
        """As in `Listener`: from here on the client knows what is trained, and where blobs go."""
        self.away_since_s = None
        self.tell({"event": "connected", "coordinator": self.deployment.coordinator})
        host = self.deployment.coordinator.rpartition(":")[0]
        self.mover.go_to(f"{host}:{welcome.data_port}")
        if self.loading is None and self.refusal is None:
            try:
                self._join(welcome.scenario)
            except ConfigError as error:
                self._refuse(error)
            self._do(self.machine.resume(self._now()))
        elif self.machine.answer is not None:
            self._do(self.machine.resume(self._now()))  # what was said may have been lost

    def _join(self, toml: str) -> None:
        """Begins to make ready what is asked of it.  Raises: ConfigError, if it may not."""
        scenario = scenarios.loads(toml, "the scenario")
        self.may_decline = scenario.drops_diverged
        own = terms.accepted(scenario, self.deployment, self.name)
        self.first_load = scenario.app_digest is not None or scenario.downlink is not None
        self.ledger.after("federation", name=scenario.name, scenario=scenario.digest())
        self.loading = self._begin(self._load(scenario, own))

    def _refuse(self, error: ConfigError) -> None:
        """Ends, as nothing can be trained here; first declines what is asked of it meanwhile.

        Raises: the error at once, where a client that declines ends the federation for everybody.
        """
        if not self.may_decline:
            raise error
        if self.refusal is None:
            self.refusal = error
            self.tell({"event": "refused", "why": str(error)})
            asyncio.get_running_loop().call_later(DECLINE_S, self._end, error)

    async def _load(self, scenario: Scenario, own: Own | None) -> None:
        """Makes the training process ready, so that the first offer does not wait for it."""
        try:
            parts = self.deployment, self.mover, self.blobs, self.incoming
            tensors = await self.trainer.load(await terms.with_code(scenario, *parts), own)
            self.ledger.after("tensors", tensors=tensors)
            await self.broadcasts.begin(scenario.downlink, *self.trainer.begun)
            self.tell({"event": "sandbox", **_in_words(self.trainer.sandbox)})
        except TrainingError as error:  # the next task starts it again, and declines if it must
            self.tell({"event": "failed", "why": str(error)})

    def received(self, frame: Frame) -> None:
        """As in `Listener`."""
        match frame:
            case Offer():
                self._post(Offered(self._now(), frame))
            case Ack(_, round_id, verdict, detail, epoch):
                self.tell(
                    {"event": "answered", "round": round_id, "verdict": verdict, "why": detail}
                )
                self.ledger.after("answered", round=round_id, verdict=verdict)
                self._post(Acknowledged(self._now(), round_id, verdict, epoch))
            case Cancel(round_id, reason):
                self.tell({"event": "cancelled", "round": round_id, "why": reason})
                self._post(Cancelled(self._now(), round_id))
            case Finished():
                self._heard_the_end(frame)
            case _:
                pass  # what a newer coordinator may say besides

    def _heard_the_end(self, end: Finished) -> None:
        """Notes it, tells the coordinator so, which waits for that, and ends."""
        if not self.over.done():
            ending.note(self.store, end)
            self.session.send(end)
            self.over.set_result(end)

    def lost(self, error: FedplatError, again_in_s: float) -> None:
        """As in `Listener`."""
        if self.away_since_s is None:
            self.away_since_s = self._now()
        record = {"event": "lost", "why": str(error), "again_in_s": round(again_in_s, 2)}
        self.tell(record | ending.hint(self._now() - self.away_since_s))

    def _say(self, frame: Frame) -> None:
        self.session.send(frame)

    # ── what the machine asks for ────────────────────────────────────────────────────────────────

    def _post(self, event: ClientEvent) -> None:
        self.driver.post(event)
        self.driver.flush()

    def _do(self, commands: list[Any]) -> None:
        for command in commands:
            (self._work if isinstance(command, Work) else self._send)(command)

    def _work(self, command: Work) -> None:
        assignment, busy = (command.offer.round_id, command.offer.task), self._is_busy
        if busy and assignment == self.at_work:
            return  # a new attempt at what it is doing
        if busy and self.working is not None:
            self.working.cancel()
        self.at_work = assignment
        self.working = self._begin(self._train(command.offer))

    @property
    def _is_busy(self) -> bool:
        return self.working is not None and not self.working.done()

    def _stop_work(self, command: StopWork) -> None:
        """Leaves off, which ends the training process; the next offer shall not wait for one."""
        if self.working is not None and self._is_busy:
            self.working.cancel()
            self.loading = self._begin(self.trainer.ready_again())

    async def _train(self, offer: Offer) -> None:
        self.tell({"event": "offer", "round": offer.round_id, "task": offer.task})
        if self.refusal is not None:
            self._give_up(offer, self.refusal)
            return
        self.say(Accept(offer.round_id, offer.task))
        if self.first_load and self.loading is not None:
            await asyncio.wait({self.loading})  # code comes first, and the first model
        try:
            path = await self._fetched(offer.broadcast)
        except FedplatError as error:
            self._give_up(offer, error)
            return
        state = self.states.get(self.name)
        task = ClientTask(self.name, offer.round_id, offer.task, offer.broadcast, state)
        try:
            outcome = await self.trainer.do(task, path, self.say.progress(offer))
        except ConfigError as error:
            self._give_up(offer, error)
            raise
        if isinstance(outcome, Failed):
            self._post(work_failed(task, outcome, self._now()))
            return
        if outcome.update is not None:
            spooled = {outcome.update: outcome.payload}
            await asyncio.to_thread(self.blobs.put_named, spooled)  # heartbeats go on meanwhile
            self.states.stage(self.name, offer.round_id, outcome.state)
        self._post(
            WorkFinished(
                self._now(), offer.round_id, offer.task, outcome.update, outcome.weight,
                outcome.metrics,
            )
        )  # fmt: skip

    def _send(self, command: Send) -> None:
        if self.sending is not None:
            self.sending.cancel()
        self.sending = self._begin(self._deliver(command))

    async def _deliver(self, command: Send) -> None:
        """Uploads what the message names, then says it; until the coordinator has answered."""
        await asyncio.sleep(command.after_s)
        match command.message:
            case Submit(update=str() as digest) as submit:
                try:
                    size_bytes = await self._uploaded(submit, Digest(digest))
                except FedplatError as error:
                    self._give_up(submit, error)
                    return
                self.tell({"event": "submitted", "round": submit.round_id, "bytes": size_bytes})
            case Submit() | Decline() as answer:
                self.say.announce(answer)
        self.say(command.message)
        if self.refusal is not None:
            self._end(self.refusal)

    # ── blobs ────────────────────────────────────────────────────────────────────────────────────

    async def _fetched(self, digest: Digest) -> Any:
        """The file of a broadcast; fetched first, if it is not here yet."""
        return await self.broadcasts.fetched(digest, self.mover.moved, self._wanted)

    def _wanted(self) -> set[Digest]:
        """What the last answer names: it may have to be sent again."""
        answer = self.machine.answer
        return {answer.update} if isinstance(answer, Submit) and answer.update else set()

    async def _uploaded(self, message: Submit, digest: Digest) -> int:
        payload = self.blobs.get(digest)
        self.say.announce(message, len(payload))
        await self.mover.moved(lambda data: data.put(digest, payload))
        return len(payload)

    def _give_up(self, asked: Offer | Submit, error: FedplatError) -> None:
        """Declines: a blob can not be moved, and no later attempt changes that."""
        self.tell({"event": "failed", "round": asked.round_id, "why": str(error)})
        reason = f"{type(error).__name__}: {error}"
        self._post(WorkFailed(self._now(), asked.round_id, asked.task, "failed", reason))

    # ── the end ──────────────────────────────────────────────────────────────────────────────────

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._check)
        return task

    def _check(self, done: asyncio.Task[None]) -> None:
        """A failure ends the daemon; a round that went on without this client does not."""
        if done.cancelled() or (error := done.exception()) is None:
            return
        if isinstance(error, ConfigError) and self.may_decline:
            self._refuse(error)
        elif isinstance(error, FedplatError) and not isinstance(error, ConfigError | RoundError):
            self.tell({"event": "failed", "why": str(error)})
        else:
            self._end(error)

    def _end(self, error: BaseException) -> None:
        if not self.over.done():
            self.over.set_exception(error)

    def _now(self) -> float:
        return monotonic() - self.zero_s


def _in_words(sandbox: Mapping[str, Any]) -> dict[str, str]:
    """How the training process is shut in: `holds`, and what does not hold and why."""
    missing = "; ".join(f"{name} ({why})" for name, why in sandbox["missing"].items())
    holds = ", ".join(sandbox["holds"]) or "nothing: it can write files and reach the network"
    return {"holds": holds, **({"missing": missing} if missing else {})}
