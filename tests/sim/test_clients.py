"""The clients of a simulation: who works, how often, and when a client's state takes effect."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from runtime.small_work import A, B, Broadcasts, app_learner, work

from fedplat.engine.messages import Ack, Decline, Offer, Submit
from fedplat.learning.byo import App
from fedplat.params import digest_of
from fedplat.runtime.client_states import ClientStates, kept
from fedplat.runtime.executors.sequential import Sequential
from fedplat.storage.memory import MemoryStates
from fedplat_sim.clients import Clients
from fedplat_sim.schedule import Schedule


class Counted(Sequential):
    """The sequential executor, which remembers what it was given."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.tasks = []

    def submit(self, task) -> None:
        self.tasks.append(task)


@dataclass
class Floor:
    """Clients, their stores and the mail that they sent."""

    states: MemoryStates = field(default_factory=MemoryStates)
    mail: list = field(default_factory=list)
    schedule: Schedule = field(default_factory=Schedule)

    def __post_init__(self) -> None:
        self.use(work("scaffold"))

    def use(self, one) -> "Floor":
        self.read = Broadcasts(one, 3)
        self.executor = Counted(one, self.read)
        self.clients = Clients(
            self.executor, ClientStates(self.states), self.schedule, self.answered
        )
        return self

    def answered(self, message, payload) -> None:
        self.mail.append((message, payload, self.schedule.now()))

    def offer(self, client=A, round_id=1, task="fit", **changes) -> Offer:
        return Offer(client, round_id, task, self.read.digests[round_id - 1], **changes)

    def deliver(self, *messages) -> "Floor":
        for message in messages:
            self.clients.deliver(message)
            while self.schedule.step():
                pass
        return self


def test_an_offer_is_answered_with_the_update_and_its_digest():
    floor = Floor()
    floor.deliver(floor.offer())
    [(message, payload, _)] = floor.mail
    assert isinstance(message, Submit) and message.update == digest_of(payload)
    assert message.weight > 0
    assert message.metrics["train_loss"].count > 0


def test_an_offer_that_comes_twice_is_worked_on_once_and_answered_twice():
    floor = Floor()
    floor.deliver(floor.offer(), floor.offer())
    assert len(floor.executor.tasks) == 1
    assert floor.mail[0] == floor.mail[1]


def test_a_dropout_declines_and_does_no_work():
    floor = Floor()
    floor.deliver(floor.offer(dropout=True))
    [(message, payload, _)] = floor.mail
    assert isinstance(message, Decline) and message.reason == "dropout"
    assert (floor.executor.tasks, payload) == ([], b"")


def test_a_straggler_answers_later_in_virtual_time():
    floor = Floor()
    floor.deliver(floor.offer(B, delay_s=30.0), floor.offer(A, delay_s=2.0))
    assert [(m.client, time_s) for m, _, time_s in floor.mail] == [(B, 30.0), (A, 32.0)]


def test_a_state_takes_effect_only_when_its_update_was_accepted():
    floor = Floor()
    floor.deliver(floor.offer())
    assert floor.states.get(kept(A)) is None
    floor.deliver(Ack(A, 1, "accepted"))
    assert floor.states.get(kept(A))
    assert floor.states.keys() == [kept(A)]
    floor.deliver(floor.offer(round_id=2))
    assert floor.executor.tasks[-1].state == floor.states.get(kept(A))


@pytest.mark.parametrize("verdict", ["late", "refused"])
def test_a_state_whose_update_does_not_count_is_forgotten(verdict):
    floor = Floor()
    floor.deliver(floor.offer(), Ack(A, 1, "accepted"))
    before = floor.states.get(kept(A))
    floor.deliver(floor.offer(round_id=2), Ack(A, 2, verdict))
    assert floor.states.get(kept(A)) == before
    assert floor.states.keys() == [kept(A)]


def test_an_acknowledgement_that_comes_again_changes_nothing():
    floor = Floor()
    floor.deliver(floor.offer(), Ack(A, 1, "accepted"))
    before = floor.states.get(kept(A))
    floor.deliver(Ack(A, 1, "accepted"), floor.offer(round_id=2), Ack(A, 1, "accepted"))
    assert floor.states.get(kept(A)) == before
    floor.deliver(Ack(A, 2, "accepted"))
    assert floor.states.get(kept(A)) != before


def test_a_state_outlives_the_process_between_the_answer_and_its_acknowledgement():
    floor = Floor()
    floor.deliver(floor.offer())
    again = Floor(states=floor.states)
    again.deliver(Ack(A, 1, "accepted"))
    assert again.states.get(kept(A))


def test_an_evaluation_is_answered_without_an_update_and_touches_no_state():
    floor = Floor()
    floor.deliver(floor.offer(task="evaluate"))
    [(message, payload, _)] = floor.mail
    assert (message.update, payload) == (None, b"")
    assert any(name.startswith("global/test/") for name in message.metrics)
    assert floor.states.keys() == []


def test_an_algorithm_without_state_leaves_none():
    floor = Floor().use(work("fedavg"))
    floor.deliver(floor.offer(), Ack(A, 1, "accepted"))
    assert floor.states.keys() == []


def test_a_failure_of_the_users_code_is_declined_with_what_it_said():
    def failing(params, context):
        raise KeyError("no such column")

    app = App("app.py", lambda context: {"w": np.zeros(2, np.float32)}, failing, failing)
    floor = Floor().use(work(learner=app_learner(app)))
    floor.deliver(floor.offer())
    [(message, _, _)] = floor.mail
    assert isinstance(message, Decline) and message.reason == "failed"
    assert "no such column" in message.detail


def test_clients_that_were_never_asked_cost_nothing():
    floor = Floor()
    floor.deliver(floor.offer(B))
    assert list(floor.clients.machines) == [B]
