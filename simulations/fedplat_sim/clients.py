"""The clients of a simulated federation: their machines, their stores, and who works for them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from fedplat.engine.client import Client
from fedplat.engine.commands import ClientCommand, DropState, KeepState, Send, Work
from fedplat.engine.events import Acknowledged, ClientEvent, Offered, WorkFailed, WorkFinished
from fedplat.engine.messages import Ack, DeclineReason, Offer, ToClient, ToCoordinator
from fedplat.errors import DivergenceError
from fedplat.runtime.client_work import ClientTask, Done, Failed, Outcome
from fedplat.runtime.ports import Executor, StateStore
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
    states: StateStore
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
        self._handle(ack.client, Acknowledged(now_s, ack.round_id, ack.verdict))

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
            case KeepState(round_id):
                self._keep(client, round_id)
            case DropState():
                self._drop(client)

    def _work(self, offer: Offer) -> None:
        state = self.states.get(kept(offer.client)) or b""
        task = ClientTask(offer.client, offer.round_id, offer.task, offer.broadcast, state)
        self.executor.submit(task)
        self.schedule.at(
            self.schedule.now(), lambda: self._finished(task, self.executor.result(task))
        )

    def _finished(self, task: ClientTask, outcome: Outcome) -> None:
        now_s = self.schedule.now()
        if isinstance(outcome, Failed):
            self._handle(task.client, _failure(task, outcome, now_s))
            return
        if task.kind == "fit":
            self._updates[task.client] = outcome.payload
            self._stage(task, outcome)
        finished = WorkFinished(
            now_s, task.round_id, task.kind, outcome.update, outcome.weight, outcome.metrics
        )
        self._handle(task.client, finished)

    def _stage(self, task: ClientTask, outcome: Done) -> None:
        if outcome.state:
            staged = task.round_id.to_bytes(8, "little") + outcome.state
            self.states.put({_staged(task.client): staged})

    def _keep(self, client: ClientId, round_id: int) -> None:
        self._updates.pop(client, None)
        staged = self.states.get(_staged(client))
        if staged is not None and int.from_bytes(staged[:8], "little") == round_id:
            self.states.put({kept(client): staged[8:], _staged(client): None})

    def _drop(self, client: ClientId) -> None:
        self._updates.pop(client, None)
        if self.states.get(_staged(client)) is not None:
            self.states.put({_staged(client): None})


def _failure(task: ClientTask, outcome: Failed, now_s: float) -> WorkFailed:
    error = outcome.error
    diverged = isinstance(error, DivergenceError)
    reason: DeclineReason = "diverged" if diverged else "failed"
    detail = str(error.fields["what" if diverged else "reason"])
    step = int(error.fields["step"]) if isinstance(error, DivergenceError) else 0
    return WorkFailed(now_s, task.round_id, task.kind, reason, detail, step)


def kept(client: ClientId) -> str:
    """Where a client's state lies in the store."""
    return f"kept/{client}"


def _staged(client: ClientId) -> str:
    return f"staged/{client}"
