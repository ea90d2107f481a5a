"""The driver: what is in the log has happened, and nothing is said or done before it is there."""

from contextlib import contextmanager
from typing import get_args

import pytest

from fedplat.engine import journal
from fedplat.engine.commands import Aggregate, Commit, CoordinatorCommand, Evaluate, Finish, Send
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import Aggregated, Evaluated, Initialised, RoundCommitted, UpdateReceived
from fedplat.engine.messages import Ack, Offer
from fedplat.engine.plan import Plan, Selected
from fedplat.errors import StorageError
from fedplat.runtime.driver import Driver
from fedplat.storage.memory import MemoryEvents
from fedplat.types import Digest, client_id

CLIENTS = tuple(client_id(index) for index in range(3))
FIRST = Initialised(0.0, Digest("b0"), Digest("k0"), Digest("m0"))


class CountedLog(MemoryEvents):
    """A log that remembers how many events each append brought."""

    def __init__(self) -> None:
        super().__init__()
        self.appends: list[int] = []

    def append(self, events, expected_version):
        version = super().append(events, expected_version)
        self.appends.append(len(events))
        return version


class Desk:
    """A driver whose commands are laid down; the coordinator's own work is done at once."""

    def __init__(self, log=None, rounds=1) -> None:
        self.log = CountedLog() if log is None else log
        self.commands, self.seen, self.synced = [], [], []
        self.before = self.log.version
        plan = Plan(
            rounds=rounds,
            per_round=len(CLIENTS),
            select=lambda round_id, time_s: tuple(map(Selected, CLIENTS)),
            federated_every=None,
        )
        perform = dict.fromkeys(get_args(CoordinatorCommand), self.performed)
        self.driver = Driver(
            Coordinator(plan),
            self.log,
            perform,
            around_append=self.committing,
            observers=[self.observed],
        )

    @contextmanager
    def committing(self):
        self.synced.append(self.log.version)
        yield

    def logged(self):
        """What this desk has brought into the log."""
        return [journal.decode(entry) for entry in self.log.read(self.before)]

    def observed(self, event) -> None:
        assert event in self.logged()
        self.seen.append(event)

    def performed(self, command) -> None:
        assert self.seen == self.logged()[: len(self.seen)]
        self.commands.append(command)
        match command:
            case Aggregate(round_id):
                self.driver.post(Aggregated(2.0, round_id, *map(Digest, ("b1", "k1", "m1"))))
            case Commit(record):
                assert record not in self.logged()
                self.driver.post(record)

    def asked(self, kind):
        return [command for command in self.commands if isinstance(command, kind)]

    def begin(self) -> "Desk":
        self.driver.post(FIRST)
        self.driver.flush()
        return self

    def train(self) -> "Desk":
        for client in CLIENTS:
            self.driver.post(update(client))
        self.driver.flush()
        return self


def update(client):
    return UpdateReceived(1.0, 1, client, Digest(f"u-{client}"), 8, 1.0)


def test_an_event_is_in_the_log_before_anybody_is_told_or_anything_is_done():
    desk = Desk().begin().train()  # `observed` and `performed` look
    kinds = [type(event) for event in desk.seen]
    assert kinds == [Initialised, *3 * [UpdateReceived], Aggregated, RoundCommitted]
    assert desk.asked(Evaluate)


def test_a_posted_event_does_nothing_until_it_is_flushed():
    desk = Desk()
    desk.driver.post(FIRST)
    assert (desk.log.version, desk.seen, desk.commands) == (0, [], [])
    desk.driver.flush()
    assert desk.log.version == 1 and len(desk.asked(Send)) == 3


def test_events_that_are_posted_together_are_one_append():
    desk = Desk().begin().train()
    assert desk.log.appends == [1, 3, 1, 1]  # first model; three updates; the sum; the commit
    one_by_one = Desk().begin()
    for client in CLIENTS:
        one_by_one.driver.post(update(client))
        one_by_one.driver.flush()
    assert one_by_one.log.appends == [1, 1, 1, 1, 1, 1]
    assert one_by_one.logged() == desk.logged()


def test_what_events_name_is_made_durable_before_each_append():
    desk = Desk().begin().train()
    assert desk.synced == [0, 1, 4, 5]


def test_nothing_happens_where_an_append_fails():
    class Full(CountedLog):
        def append(self, events, expected_version):
            raise StorageError(where="log", reason="no space left")

    desk = Desk(Full())
    desk.driver.post(FIRST)
    with pytest.raises(StorageError, match="no space"):
        desk.driver.flush()
    assert (desk.seen, desk.commands) == ([], [])
    assert desk.driver.machine.phase == "idle"


def test_replaying_a_log_performs_nothing_and_tells_nobody():
    desk = Desk().begin().train()
    again = Desk(desk.log)
    assert again.driver.replay() == desk.log.version
    assert (again.commands, again.seen) == ([], [])
    mine, theirs = again.driver.machine, desk.driver.machine
    assert (mine.phase, mine.model, mine.previous) == (theirs.phase, theirs.model, theirs.previous)
    assert mine.phase == "finished" and mine.evaluating


def cut(desk: Desk, events: int) -> MemoryEvents:
    """The log of a process that died after so many events."""
    log = MemoryEvents()
    log.append(list(desk.log.read())[:events], 0)
    return log


def finished() -> Desk:
    desk = Desk().begin().train()
    desk.driver.post(Evaluated(3.0, 1, {}))
    desk.driver.flush()
    return desk


@pytest.mark.parametrize("answered", [0, 1, 2])
def test_resuming_asks_those_who_have_not_answered_and_acknowledges_the_others(answered):
    desk = Desk(cut(finished(), 1 + answered))
    desk.driver.replay()
    desk.driver.resume(5.0)
    assert {type(command) for command in desk.commands} == {Send}
    messages = [command.message for command in desk.commands]
    offered = [message.client for message in messages if isinstance(message, Offer)]
    acknowledged = [message.client for message in messages if isinstance(message, Ack)]
    assert (offered, acknowledged) == (list(CLIENTS[answered:]), list(CLIENTS[:answered]))
    assert desk.logged() == []


@pytest.mark.parametrize(
    ("events", "outstanding"),
    [
        (4, [Aggregate, Commit, Evaluate]),
        (5, [Commit, Evaluate]),
        (6, [Evaluate]),
        (7, [Finish]),
    ],
)
def test_resuming_performs_exactly_what_is_outstanding(events, outstanding):
    desk = Desk(cut(finished(), events))
    desk.driver.replay()
    desk.driver.resume(5.0)
    done = [type(c) for c in desk.commands if not isinstance(c, Send)]
    assert done == outstanding
    assert all(isinstance(command.message, Ack) for command in desk.asked(Send))


def test_a_resumed_run_writes_the_log_of_one_that_was_not_interrupted():
    whole = Desk().begin().train()
    for events in range(1, 6):
        desk = Desk(cut(whole, events))
        desk.driver.replay()
        desk.driver.resume(0.0)
        for client in CLIENTS[events - 1 :]:
            desk.driver.post(update(client))
        desk.driver.flush()
        assert list(desk.log.read()) == list(whole.log.read())
