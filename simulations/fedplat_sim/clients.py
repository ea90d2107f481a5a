"""The clients of a simulated federation: their machines, their stores, and who works for them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from fedplat.engine.client import Client
from fedplat.engine.commands import ClientCommand, DropState, KeepState, Send, StopWork, Work
from fedplat.engine.events import Acknowledged, ClientEvent, Offered, WorkFinished
from fedplat.engine.messages import Ack, Offer, ToClient, ToCoordinator
from fedplat.runtime.client_states import ClientStates
from fedplat.runtime.client_work import ClientTask, Failed, Outcome, work_failed
from fedplat.runtime.ports import Executor
from fedplat.types import ClientId
from fedplat_sim.schedule import Schedule

Answer = Callable[[ToCoordinator, bytes], None]


@dataclass
class Clients:
    """Runs a machine for every client that was asked something; the others cost nothing.

    `answer` takes a message to the coordinator and the update that it names (or no bytes).
    A client's state is staged with its round when the work is done, and takes effect when the
    coordinator has acknowledged the update.
    """

    executor: Executor
    states: ClientStates
    schedule: Schedule
    answer: Answer
    machines: dict[ClientId, Client] = field(default_factory=dict)
    _updates: dict[ClientId, bytes] = field(default_factory=dict)

    def deliver(self, message: ToClient) -> None:
        """Hands a message from the coordinator to its client."""
        now_s = self.schedule.now()
        if isinstance(message, Offer):
            self._handle(message.client, Offered(now_s, message))
        else:
            self._acknowledged(message, now_s)

    def _acknowledged(self, ack: Ack, now_s: float) -> None:
        self._handle(ack.client, Acknowledged(now_s, ack.round_id, ack.verdict, ack.epoch))

    def _handle(self, client: ClientId, event: ClientEvent) -> None:
        machine = self.machines.setdefault(client, Client(client))
        for command in machine.handle(event):
            self._perform(client, command)

    def _perform(self, client: ClientId, command: ClientCommand) -> None:
        match command:
            case Work(offer):
                self._work(offer)
            case Send(message, after_s):
                payload = self._updates.get(client, b"")
                due_s = self.schedule.now() + after_s
                self.schedule.at(due_s, lambda: self.answer(message, payload))  # type: ignore[arg-type]
            case StopWork():
                pass  # nobody cancels here: what is too late in virtual time is done already
            case KeepState(round_id):
                self._forget(client, round_id)
                self.states.keep(client, round_id)
            case DropState(round_id):
                self._forget(client, round_id)
                self.states.drop(client, round_id)

    def _forget(self, client: ClientId, round_id: int) -> None:
        """Lets an update go that was answered; a newer one stays."""
        offer = self.machines[client].offer
        if offer is None or offer.round_id == round_id:
            self._updates.pop(client, None)

    def _work(self, offer: Offer) -> None:
        state = self.states.get(offer.client)
        task = ClientTask(offer.client, offer.round_id, offer.task, offer.broadcast, state)
        self.executor.submit(task)
        self.schedule.at(
            self.schedule.now(), lambda: self._finished(task, self.executor.result(task))
        )

    def _finished(self, task: ClientTask, outcome: Outcome) -> None:
        now_s = self.schedule.now()
        if isinstance(outcome, Failed):
            self._handle(task.client, work_failed(task, outcome, now_s))
            return
        if task.kind == "fit":
            self._updates[task.client] = outcome.payload
            self.states.stage(task.client, task.round_id, outcome.state)
        finished = WorkFinished(
            now_s, task.round_id, task.kind, outcome.update, outcome.weight, outcome.metrics
        )
        self._handle(task.client, finished)
