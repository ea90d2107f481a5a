"""A client's process: the real machine, driver and states over a disk, a clock and a network.

It does what the client's daemon does, in the same order, without its subprocess.
"""

from typing import Protocol

from fedplat.engine.client import Client
from fedplat.engine.commands import DropState, KeepState, Send, Work
from fedplat.engine.events import Acknowledged, ClientEvent, Offered, WorkFailed, WorkFinished
from fedplat.engine.messages import Ack, Message, Offer, Submit, Task
from fedplat.errors import MissingBlobError
from fedplat.runtime.client_states import ClientStates
from fedplat.runtime.driver import Driver
from fedplat.types import ClientId, Digest
from fedplat.wire import convert
from fedplat_sim.chaos import tiny
from fedplat_sim.chaos.faults import HEAL_S, Lapse, Schedule
from fedplat_sim.chaos.process import Process
from fedplat_sim.chaos.suspects import Suspects
from fedplat_sim.chaos.violation import holds
from fedplat_sim.schedule import Schedule as Timeline

TRAINING_S = 0.1
AGAIN_S = 0.5  # after so long it tries again what did not go


class Session(Protocol):
    """The client's end of its session."""

    def to_coordinator(self, client: ClientId, payload: bytes, update: bytes) -> None: ...

    def fetch(self, client: ClientId, digest: Digest) -> bytes | None: ...

    def lost(self, client: ClientId, for_s: float) -> None: ...

    def over(self) -> bool: ...


class Attending:
    """A client that can die.  `acknowledged` are the rounds of which it has heard "accepted"."""

    def __init__(
        self,
        name: ClientId,
        schedule: Schedule,
        time: Timeline,
        suspects: Suspects,
        session: Session,
    ) -> None:
        self.name, self.schedule, self.suspects, self.session = name, schedule, suspects, session
        self.acknowledged: set[int] = set()
        self.connected, self.attempt, self.works, self.epoch = False, 0, 0, 0
        self.lapses = {fault for _, fault in schedule.faults if isinstance(fault, Lapse)}
        self.process = Process(name, schedule, time, suspects, self._start, self._died)
        self._looked = suspects.client_states(self.process.disk.states)

    @property
    def kept(self) -> bytes:
        """The client's state in effect, as its disk has it."""
        return self._looked.get(self.name)

    def _start(self) -> None:
        process, disk = self.process, self.process.disk
        self.machine: Client = self.suspects.client(self.name)
        self.states: ClientStates = self.suspects.client_states(disk.states)
        self.working = self.sending = 0
        self.at_work: tuple[int, Task] | None = None
        self.resumed = False
        self.performed = 0
        performers = process.guarded(
            {
                Work: self._work,
                Send: self._send,
                KeepState: self._keep,
                DropState: self._drop,
            }
        )
        self.performers = performers
        self.driver: Driver = self.suspects.driver(self.machine, disk.events, performers)
        self.driver.replay()
        self.session.lost(self.name, 0.0)

    def _died(self) -> None:
        self.connected = False

    # ── what is said to it ───────────────────────────────────────────────────────────────────────

    def welcomed(self) -> None:
        """The session stands."""
        self.process.run(self._welcomed)

    def received(self, payload: bytes) -> None:
        """A message of the coordinator has come."""
        self.process.run(lambda: self._take(convert.decode(payload)))

    def _welcomed(self) -> None:
        if self.resumed and self.machine.answer is None:
            return
        self.resumed = True
        for command in self.machine.resume(self.process.now()):
            self.performers[type(command)](command)

    def _take(self, message: Message) -> None:
        before = self.performed
        self._heard(message)
        if isinstance(message, Offer | Ack):
            obeyed = self.performed > before and message.epoch < self.epoch
            holds(not obeyed, "stale epoch accepted", f"{self.name}: {message}")
            self.epoch = max(self.epoch, message.epoch)

    def _heard(self, message: Message) -> None:
        match message:
            case Offer():
                self._post(Offered(self.process.now(), message))
            case Ack(_, round_id, verdict, _, epoch):
                self._post(Acknowledged(self.process.now(), round_id, verdict, epoch))
                if verdict == "accepted":
                    self.acknowledged.add(round_id)
            case _:
                pass  # nobody else speaks to a client

    def _post(self, event: ClientEvent) -> None:
        self.driver.post(event)
        self.driver.flush()

    # ── what its machine asks for ────────────────────────────────────────────────────────────────

    def _keep(self, command: KeepState) -> None:
        self.performed += 1
        self.states.keep(self.name, command.round_id)

    def _drop(self, command: DropState) -> None:
        self.performed += 1
        self.states.drop(self.name, command.round_id)

    def _work(self, command: Work) -> None:
        self.performed += 1
        offer = command.offer
        assignment = offer.round_id, offer.task
        if assignment == self.at_work:
            return  # a new attempt at what it is doing
        self.working, self.at_work = self.working + 1, assignment
        self.works += 1
        number = self.working
        if Lapse(self.name, self.works) in self.lapses and self.process.now() < HEAL_S:
            self.at_work = None
            return
        self.process.later(TRAINING_S, lambda: self._train(offer, number))

    def _train(self, offer: Offer, number: int) -> None:
        if number != self.working or self.session.over():
            return
        disk = self.process.disk
        try:
            payload = bytes(disk.blobs.get(offer.broadcast))
        except MissingBlobError:
            fetched = self.session.fetch(self.name, offer.broadcast)
            if fetched is None:
                self.process.later(AGAIN_S, lambda: self._train(offer, number))
                return
            payload = fetched
            disk.blobs.put(payload)
        self.at_work = None
        self._post(self._worked(offer))

    def _worked(self, offer: Offer) -> ClientEvent:
        now_s, round_id, disk = self.process.now(), offer.round_id, self.process.disk
        if offer.task == "evaluate":
            judged = tiny.judged(self.name, offer.broadcast)
            return WorkFinished(now_s, round_id, "evaluate", None, 0.0, judged)
        if (self.name, round_id) in self.schedule.course.diverging:
            return WorkFailed(now_s, round_id, "fit", "diverged", "the training loss", 1)
        state = tiny.next_state(self.states.get(self.name), round_id)
        spoiled = (self.name, round_id) in self.schedule.course.spoiled
        trained = tiny.trained(self.name, round_id, offer.broadcast)
        update = disk.blobs.put(tiny.spoiled() if spoiled else trained)
        self.states.stage(self.name, round_id, state)
        return WorkFinished(now_s, round_id, "fit", update, tiny.weight(self.name))

    def _send(self, command: Send) -> None:
        self.performed += 1
        self.sending += 1
        number = self.sending
        self.process.later(command.after_s, lambda: self._deliver(command.message, number))

    def _deliver(self, message: Message, number: int) -> None:
        if number != self.sending:
            return
        update = b""
        if isinstance(message, Submit) and message.update is not None:
            update = bytes(self.process.disk.blobs.get(message.update))
        self.session.to_coordinator(self.name, convert.encode(message), update)
