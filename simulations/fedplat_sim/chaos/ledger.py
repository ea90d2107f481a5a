"""Watches the coordinator's disk and what it says, and knows what must be true after every step.

It sees everything, decides nothing, and shares no code with the machine but the reading of a log.
"""

from dataclasses import dataclass, field

from fedplat.engine import journal
from fedplat.engine.commands import Finish
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import (
    ClientDeclined,
    CoordinatorEvent,
    DeadlinePassed,
    Evaluated,
    EvaluationReceived,
    Initialised,
    RoundCommitted,
    UpdateReceived,
)
from fedplat.engine.messages import Ack, Offer
from fedplat.errors import FedplatError, MissingBlobError, QuorumError
from fedplat.runtime.ports import BlobStore
from fedplat.types import ClientId, Digest
from fedplat_sim.chaos import tiny
from fedplat_sim.chaos.disks import Disk
from fedplat_sim.chaos.faults import Schedule
from fedplat_sim.chaos.violation import holds

Answer = tuple[ClientId, int]


@dataclass
class Book:
    """What the durable log says, entry by entry."""

    version: int = 0
    received: dict[Answer, UpdateReceived] = field(default_factory=dict)
    lost: set[Answer] = field(default_factory=set)
    deadlines: dict[int, int] = field(default_factory=dict)  # by round: how many had come
    commits: list[RoundCommitted] = field(default_factory=list)
    evaluated: set[int] = field(default_factory=set)
    surveyed: set[Answer] = field(default_factory=set)
    given_up: set[int] = field(default_factory=set)  # rounds whose evaluation came to its deadline
    state: tuple[Digest, Digest, Digest] = (Digest(""), Digest(""), Digest(""))


@dataclass
class Ledger:
    """Checks the coordinator.  Raises: Violation, from every method."""

    schedule: Schedule
    coordinator: type[Coordinator]
    disk: Disk
    book: Book = field(default_factory=Book)
    accepted: set[Answer] = field(default_factory=set)

    def look(self) -> None:
        """Reads what was added to the durable log, and checks it."""
        log = self.disk.events.durable
        if log.version < self.book.version:
            self.book = Book()
        if log.version > self.book.version:
            for entry in log.read(self.book.version):
                self.book.version += 1
                self._entry(journal.decode(entry))

    def lose(self) -> None:
        """The process has died: what it had said must still stand on its disk."""
        self.look()
        for answer in self.accepted:
            holds(answer in self.book.received, "accepted update lost", f"{answer} in a crash")

    def _entry(self, event: CoordinatorEvent) -> None:
        book = self.book
        match event:
            case Initialised(_, broadcast, kept, model):
                book.state = broadcast, kept, model
                holds(book.state == tiny.first(), "wrong first model", model)
                self._stands(broadcast, "the first model")
            case UpdateReceived(_, round_id, client, update):
                if event.flaw:
                    book.lost.add((client, round_id))
                    return
                book.received.setdefault((client, round_id), event)
                self._stands(update, f"the update of {client} in round {round_id}")
            case ClientDeclined(_, round_id, client, task):
                (book.lost if task == "fit" else book.surveyed).add((client, round_id))
            case EvaluationReceived(_, round_id, client):
                book.surveyed.add((client, round_id))
            case DeadlinePassed(_, round_id, "evaluate"):
                book.given_up.add(round_id)
            case DeadlinePassed(_, round_id):
                book.deadlines.setdefault(round_id, self._have(round_id))
            case Evaluated(_, round_id):
                book.evaluated.add(round_id)
            case RoundCommitted():
                self._commit(event)

    def _stands(self, digest: Digest, what: str) -> None:
        blobs: BlobStore = self.disk.blobs.durable
        try:
            blobs.get(digest)
        except MissingBlobError:
            holds(False, "blob missing", f"{what} is in the log, its bytes are not durable")

    # ── a commit ─────────────────────────────────────────────────────────────────────────────────

    def _commit(self, event: RoundCommitted) -> None:
        book, round_id = self.book, event.round_id
        expected = len(book.commits) + 1
        holds(round_id == expected, "rounds out of order", f"{round_id} instead of {expected}")
        before = journal.receipt(book.commits[-1]) if book.commits else Digest("")
        holds(event.previous == before, "chain broken", f"round {round_id}")
        if round_id > 1:
            self._surveyed(round_id - 1)
        self._accepted(event)
        broadcast, kept, _ = book.state
        found = event.broadcast, event.kept, event.model
        calm = tiny.calm(broadcast, kept, round_id, event.accepted)
        holds(found == calm, "another model than the calm run's", f"round {round_id}")
        for digest in found[:2]:
            self._stands(digest, f"the model of round {round_id}")
        book.state = found
        book.commits.append(event)

    def _accepted(self, event: RoundCommitted) -> None:
        book, round_id, plan = self.book, event.round_id, self.schedule.course.settings
        clients = [client for client, _, _ in event.accepted]
        in_order = sorted(set(clients), key=str.encode)
        holds(clients == in_order, "accepted set", f"round {round_id}: not sorted, or twice")
        asked = self.schedule.course.asks(round_id)
        holds(set(clients) <= asked, "accepted set", f"round {round_id}: one was not asked")
        for client, update, weight in event.accepted:
            one = book.received.get((client, round_id))
            holds(one, "accepted set", f"round {round_id}: nothing came from {client}")
            right = tiny.update_of(client, round_id, book.state[0]), tiny.weight(client)
            holds((update, weight) == right, "accepted set", f"round {round_id}: not {client}'s")
        told = {client for client, number in self.accepted if number == round_id}
        gone = sorted(told - set(clients))
        holds(not gone, "accepted update lost", f"round {round_id}: {gone} do not count")
        holds(len(clients) <= plan.per_round, "too many", f"round {round_id}")
        holds(len(clients) >= plan.quorum, "below the quorum", f"round {round_id}")
        closed = len(clients) >= plan.per_round or self._ripe(round_id)
        holds(closed, "closed early", f"round {round_id} without cause")

    def _have(self, round_id: int) -> int:
        return sum(number == round_id for _, number in self.book.received)

    def _ripe(self, round_id: int) -> bool:
        """Whether a round may close with fewer updates than it wants."""
        known = self.book.received.keys() | self.book.lost
        asked = self.schedule.course.asks(round_id)
        everybody = all((client, round_id) in known for client in asked)
        return round_id in self.book.deadlines or everybody

    def _surveyed(self, round_id: int) -> None:
        """A round's evaluations are in the log before the next commit, and before the end."""
        plan = self.schedule.course.settings
        if plan.evaluates(round_id):
            holds(round_id in self.book.evaluated, "evaluation forgotten", f"round {round_id}")
        if plan.evaluates_federated(round_id) and round_id not in self.book.given_up:
            missing = [c for c in plan.evaluators if (c, round_id) not in self.book.surveyed]
            holds(not missing, "evaluation forgotten", f"round {round_id}: {missing}")

    # ── what the coordinator says and does ───────────────────────────────────────────────────────

    def said(self, message: Offer | Ack) -> None:
        """The coordinator sends a message."""
        self.look()
        if isinstance(message, Offer):
            self._offered(message)
        elif message.verdict == "accepted":
            self._counts(message.client, message.round_id)
            self.accepted.add((message.client, message.round_id))
        else:
            known = (message.client, message.round_id) in self.accepted
            holds(not known, "accepted update lost", f"{message}: it had been accepted")
            counts = self._rows(message.round_id)
            holds(message.client not in counts, "wrong answer", f"{message}: it counts")

    def _offered(self, offer: Offer) -> None:
        course, last = self.schedule.course, len(self.book.commits)
        if offer.task == "fit":
            right = offer.round_id == last + 1 and offer.client in course.asks(offer.round_id)
        else:
            right = offer.round_id == last and offer.client in course.settings.evaluators
        holds(right, "offer to nobody asked", str(offer))
        holds(offer.broadcast == self.book.state[0], "offer of another model", str(offer))

    def _counts(self, client: ClientId, round_id: int) -> None:
        durable = (client, round_id) in self.book.received
        holds(durable, "acknowledged before durable", f"{client} in round {round_id}")
        if round_id <= len(self.book.commits):
            counts = client in self._rows(round_id)
            holds(counts, "accepted for a closed round", f"{client} in round {round_id}")

    def _rows(self, round_id: int) -> set[ClientId]:
        if not 1 <= round_id <= len(self.book.commits):
            return set()
        return {client for client, _, _ in self.book.commits[round_id - 1].accepted}

    def resumed(self, machine: Coordinator) -> None:
        """A new process has folded the log: its machine must be where the log ends."""
        self.look()
        fresh = self.coordinator(self.schedule.course.plan)
        for entry in self.disk.events.durable.read():
            fresh.handle(journal.decode(entry))
        holds(_where(fresh) == _where(machine), "not the folded log", f"{_where(machine)}")
        if self.book.commits:
            right = journal.receipt(self.book.commits[-1])
            holds(machine.previous == right, "chain broken", "after a restart")

    def finished(self, command: Finish) -> None:
        """The coordinator says that all is done."""
        self.look()
        plan, commits = self.schedule.course.settings, self.book.commits
        holds(len(commits) == plan.rounds, "finished early", f"after round {len(commits)}")
        self._surveyed(plan.rounds)
        chosen = commits[command.selected - 1]
        holds(command.model == chosen.model, "wrong result", f"not round {command.selected}'s")
        self._stands(command.broadcast, "the resulting model")

    def failed(self, error: FedplatError) -> None:
        """The coordinator gives up: the one cause that these courses leave it is a quorum."""
        self.look()
        round_id = len(self.book.commits) + 1
        have = self.book.deadlines.get(round_id, self._have(round_id))
        short = isinstance(error, QuorumError) and have < self.schedule.course.settings.quorum
        holds(short and self._ripe(round_id), "failed without cause", str(error))


def _where(machine: Coordinator) -> tuple[object, ...]:
    """All of a machine's state that its next command can depend on."""
    return (
        machine.phase,
        machine.round.round_id,
        machine.broadcast,
        machine.previous,
        sorted(machine.round.accepted),
        sorted(machine.round.lost),
        sorted(machine.survey.found),
        machine.epoch,
        machine.evaluating,
        machine.best,
        str(machine.failure),
    )
