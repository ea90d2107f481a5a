"""Watches the coordinator's disk and what it says, and knows what must be true after every step.

It sees everything, decides nothing, and shares no code with the machine but the reading of a log.
"""

from dataclasses import dataclass, field

from fedplat.engine import journal
from fedplat.engine.commands import Finish
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import (
    ClientDeclined,
    ClientQuarantined,
    ClientReleased,
    CoordinatorEvent,
    DeadlinePassed,
    Evaluated,
    EvaluationReceived,
    Initialised,
    LeaseExpired,
    RoundCommitted,
    Started,
    UpdateReceived,
)
from fedplat.engine.messages import Ack, Offer
from fedplat.engine.plan import Plan
from fedplat.errors import FedplatError, MissingBlobError, QuorumError
from fedplat.runtime.ports import BlobStore
from fedplat.types import ClientId, Digest
from fedplat_sim.chaos import tiny
from fedplat_sim.chaos.book import Answer, Book
from fedplat_sim.chaos.disks import Disk
from fedplat_sim.chaos.faults import Schedule
from fedplat_sim.chaos.violation import Violation, holds


@dataclass
class Ledger:
    """Checks the coordinator.  Raises: Violation, from every method."""

    schedule: Schedule
    coordinator: type[Coordinator]
    disk: Disk
    book: Book = field(default_factory=Book)
    accepted: set[Answer] = field(default_factory=set)
    offered: dict[Answer, int] = field(default_factory=dict)  # with the attempt
    has_failed: bool = False
    late: set[Answer] = field(default_factory=set)
    waiting: set[Answer] = field(default_factory=set)  # had come when the round before committed

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
            case Started(_, epoch):
                holds(epoch > book.epoch, "stale epoch accepted", f"{epoch} after {book.epoch}")
                book.epoch = epoch
            case Initialised(_, broadcast, kept, model):
                book.state = broadcast, kept, model
                book.broadcasts = [broadcast, broadcast]
                holds(book.state == tiny.first(), "wrong first model", model)
                self._stands(broadcast, "the first model")
            case UpdateReceived(_, round_id, client, update):
                if (client, round_id) in book.barred:
                    return
                if event.flaw:
                    book.lost.add((client, round_id))
                    return
                book.take(event)
                self._stands(update, f"the update of {client} in round {round_id}")
            case ClientDeclined(_, round_id, client, task):
                (book.lost if task == "fit" else book.surveyed).add((client, round_id))
            case EvaluationReceived(_, round_id, client):
                book.surveyed.add((client, round_id))
            case DeadlinePassed(_, round_id, "evaluate"):
                book.given_up.add(round_id)
            case DeadlinePassed(_, round_id):
                book.deadlines.setdefault(round_id, len(self._usable()))
            case LeaseExpired(_, round_id, client, task, attempt):
                most = self.settings.max_attempts
                if most is not None and attempt >= most:
                    (book.lost if task == "fit" else book.surveyed).add((client, round_id))
                    book.giving_up.setdefault(book.open, len(self._usable()))
            case ClientQuarantined(_, client):
                book.hold(client)
            case ClientReleased(_, client):
                book.held.discard(client)
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
        made = tuple(self._made(client, update) for client, update, _ in event.accepted)
        calm = tiny.calm(broadcast, kept, round_id, event.accepted, made)
        holds(found == calm, "another model than the calm run's", f"round {round_id}")
        for digest in found[:2]:
            self._stands(digest, f"the model of round {round_id}")
        book.state = found
        book.broadcasts.append(event.broadcast)
        book.commit(event)
        self.waiting = self._usable()

    def _made(self, client: ClientId, update: Digest) -> tuple[int, Digest]:
        """In which round, and of which broadcast, an accepted update was made."""
        answer = self.book.source(client, update)
        round_id = answer[1] if answer else 0
        return round_id, self.book.broadcasts[round_id]

    def _accepted(self, event: RoundCommitted) -> None:
        book, round_id, plan = self.book, event.round_id, self.settings
        rows = event.accepted
        clients = [client for client, _, _ in rows]
        in_order = sorted(set(clients), key=str.encode)
        holds(clients == in_order, "accepted set", f"round {round_id}: not sorted, or twice")
        for client, update, weight in rows:
            self._counted(round_id, client, update, weight)
        left = [one for one in sorted(self.waiting) if one not in book.counted]
        left = [one for one in left if one not in self.late and one not in book.lost]
        left = [one for one in left if one[0] not in book.lately]
        first = all(book.source(client, update) in self.waiting for client, update, _ in rows)
        holds(first or not left, "late update lost", f"round {round_id}: {left} had come before")
        gone = sorted(one for one in self.accepted if one not in book.counted)
        holds(not gone, "accepted update lost", f"round {round_id}: {gone} do not count")
        holds(len(clients) <= plan.per_round, "too many", f"round {round_id}")
        holds(len(clients) >= plan.quorum, "below the quorum", f"round {round_id}")
        closed = len(clients) >= plan.per_round or self._ripe(round_id)
        holds(closed, "closed early", f"round {round_id} without cause")

    def _counted(self, round_id: int, client: ClientId, update: Digest, weight: float) -> None:
        """A row of a commit: somebody's own answer, young enough, once, with its weight."""
        book, plan = self.book, self.settings
        answer = book.source(client, update)
        if answer is None:
            raise Violation("accepted set", f"round {round_id}: nothing came from {client}")
        age = round_id - answer[1]
        most = plan.max_staleness if plan.carry_over else 0
        young = age >= 0 and (most is None or age <= most)
        holds(young, "accepted set", f"round {round_id}: {answer} is {age} rounds old")
        holds(answer not in book.counted, "counted twice", f"{answer}, again in {round_id}")
        asked = client in self._may_ask(answer[1])
        holds(answer not in book.barred, "quarantined client counts", f"round {round_id}: {answer}")
        holds(asked, "accepted set", f"round {round_id}: {client} was not asked")
        right = tiny.update_of(client, answer[1], book.broadcasts[answer[1]])
        factor = plan.staleness(age) if age else 1.0
        mine = update == right and weight == tiny.weight(client) * factor
        holds(mine, "accepted set", f"round {round_id}: not {client}'s")
        book.counted[answer] = round_id

    def _may_ask(self, round_id: int) -> frozenset[ClientId]:
        """Whom a round may ask: anybody may stand in for a client in quarantine."""
        course = self.schedule.course
        return frozenset(course.clients) if self.book.ever_held else course.may_ask(round_id)

    def _usable(self) -> set[Answer]:
        """What has come and may count in the open round: nobody was told that it is late."""
        return self.book.usable(self.settings) - self.late

    @property
    def settings(self) -> Plan:
        """The plan's numbers."""
        return self.schedule.course.settings

    def _ripe(self, round_id: int) -> bool:
        """Whether a round may close with fewer updates than it wants."""
        if round_id in self.book.deadlines:
            return True
        plan, course = self.settings, self.schedule.course
        asked = {one for one in self.offered if one[1] == round_id}
        if not plan.carry_over:
            asked |= {(client, round_id) for client in course.asks(round_id)}
        if plan.concurrency is not None:
            asked |= {one for one in self.offered if not self._too_old(one[1], round_id)}
        return all(self.book.is_known(one) for one in asked)

    def _too_old(self, made_in: int, round_id: int) -> bool:
        most = self.settings.max_staleness
        return most is not None and round_id - made_in > most

    def _surveyed(self, round_id: int) -> None:
        """A round's evaluations are in the log before the next commit, and before the end."""
        plan = self.settings
        if plan.evaluates(round_id):
            holds(round_id in self.book.evaluated, "evaluation forgotten", f"round {round_id}")
        if plan.evaluates_federated(round_id) and round_id not in self.book.given_up:
            missing = [c for c in plan.evaluators if (c, round_id) not in self.book.surveyed]
            holds(not missing, "evaluation forgotten", f"round {round_id}: {missing}")

    # ── what the coordinator says and does ───────────────────────────────────────────────────────

    def said(self, message: Offer | Ack) -> None:
        """The coordinator sends a message."""
        self.look()
        holds(message.epoch == self.book.epoch, "wrong epoch", str(message))
        if isinstance(message, Offer):
            self._offered(message)
        elif message.verdict == "accepted":
            self._counts((message.client, message.round_id))
            self.accepted.add((message.client, message.round_id))
        else:
            answer = message.client, message.round_id
            holds(answer not in self.accepted, "accepted update lost", f"{message}: it was")
            holds(answer not in self.book.counted, "wrong answer", f"{message}: it counts")
            if message.verdict == "late":
                self._is_late(answer)
                self.late.add(answer)

    def _is_late(self, answer: Answer) -> None:
        """Where late updates are carried over, one is refused only if it is old or given up."""
        book = self.book
        over = self.has_failed or len(book.commits) >= self.settings.rounds
        if self.settings.carry_over and answer in self.offered:
            held = answer in book.barred or answer[0] in book.lately
            may = held or over or answer in book.lost or self._too_old(answer[1], book.open)
            holds(may, "late update lost", f"{answer} is refused in round {book.open}")

    def _offered(self, offer: Offer) -> None:
        book, plan, answer = self.book, self.settings, (offer.client, offer.round_id)
        holds(offer.client not in book.held, "offer to one in quarantine", str(offer))
        if offer.task == "evaluate":
            right = offer.round_id == book.open - 1 and offer.client in plan.evaluators
            holds(right, "offer to nobody asked", str(offer))
            holds(offer.broadcast == book.state[0], "offer of another model", str(offer))
            return
        again = plan.carry_over and answer in self.offered and offer.round_id < book.open
        fresh = offer.round_id == book.open
        right = (again or fresh) and offer.client in self._may_ask(offer.round_id)
        holds(right, "offer to nobody asked", str(offer))
        model = book.broadcasts[offer.round_id]
        holds(offer.broadcast == model, "offer of another model", str(offer))
        holds(offer.attempt >= self.offered.get(answer, 1), "attempt", f"{offer}: fewer than once")
        taken_back = answer in book.barred and answer in self.offered
        holds(not taken_back, "offer to one in quarantine", f"{offer}: taken back before")
        book.barred.discard(answer)  # released, and then asked in the place of another
        self.offered[answer] = offer.attempt
        self._not_too_many()

    def _not_too_many(self) -> None:
        """Where no lease expires, an asynchronous federation has so many at work and no more."""
        plan, book = self.settings, self.book
        if plan.concurrency is None or plan.lease_s is not None:
            return
        busy = {c for c, r in self.offered if not (book.is_known((c, r)) or self._dropped(r))}
        holds(len(busy) <= plan.concurrency, "too many at work", f"round {book.open}: {busy}")

    def _dropped(self, made_in: int) -> bool:
        return self._too_old(made_in, self.book.open)

    def _counts(self, answer: Answer) -> None:
        holds(answer not in self.book.barred, "quarantined client counts", str(answer))
        holds(answer in self.book.received, "acknowledged before durable", str(answer))
        may = answer in self.book.counted or answer in self.book.usable(self.settings)
        holds(may, "accepted for a closed round", str(answer))

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
        plan, commits = self.settings, self.book.commits
        holds(len(commits) == plan.rounds, "finished early", f"after round {len(commits)}")
        self._surveyed(plan.rounds)
        chosen = commits[command.selected - 1]
        holds(command.model == chosen.model, "wrong result", f"not round {command.selected}'s")
        self._stands(command.broadcast, "the resulting model")

    def failed(self, error: FedplatError) -> None:
        """The coordinator gives up: the one cause that these courses leave it is a quorum."""
        self.look()
        book, round_id = self.book, self.book.open
        at_last = len(self._usable())
        doubtful = sum(client in book.lately for client, _ in self._usable())
        have = min(one.get(round_id, at_last) for one in (book.deadlines, book.giving_up))
        self.has_failed = True
        short = isinstance(error, QuorumError) and have - doubtful < self.settings.quorum
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
        sorted((one.client, one.round_id) for one in machine.backlog.waiting),
        [(a.client, a.round_id, a.attempt) for a in machine.backlog.assignments.values()],
        sorted(machine.survey.found),
        machine.epoch,
        machine.evaluating,
        machine.validation.best,
        str(machine.failure),
        sorted(machine.standings.quarantined.items()),
    )
