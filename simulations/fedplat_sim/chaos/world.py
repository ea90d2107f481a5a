"""One schedule, from the first message until nothing is left to happen."""

import hashlib
from dataclasses import dataclass

from fedplat.errors import FedplatError, MissingBlobError
from fedplat.types import ClientId, Digest
from fedplat_sim.chaos import tiny
from fedplat_sim.chaos.attending import AGAIN_S, Attending
from fedplat_sim.chaos.faults import HEAL_S, Ghost, Schedule
from fedplat_sim.chaos.network import Network
from fedplat_sim.chaos.serving import Serving
from fedplat_sim.chaos.suspects import Suspects
from fedplat_sim.chaos.violation import Violation, holds
from fedplat_sim.schedule import Schedule as Timeline

LIMIT_S = 200.0  # a healed federation of a few small rounds is long over
MOST_STEPS = 20_000


@dataclass(frozen=True, slots=True)
class Ending:
    """What came of a schedule.

    `trace` is the hash of all that was sent and logged; `accepted` names each round's clients.
    """

    violation: Violation | None
    model: Digest
    accepted: tuple[tuple[ClientId, ...], ...]
    trace: str
    steps: int


class World:
    """Coordinator, clients, network and time of one schedule."""

    def __init__(self, schedule: Schedule, suspects: Suspects) -> None:
        self.schedule, self.time = schedule, Timeline()
        self.trace = hashlib.sha256()
        self.network = Network(schedule, self.time, self._cut)
        self.serving = Serving(schedule, self.time, suspects, self)
        self.clients = {
            name: Attending(name, schedule, self.time, suspects, self)
            for name in schedule.course.clients
        }
        self.kept = dict.fromkeys(self.clients, b"")
        self.words: dict[ClientId, bytes] = {}  # the last that was said to each
        self.steps = 0

    def run(self) -> None:
        """Raises: Violation."""
        self.serving.process.begin()
        for client in self.clients.values():
            client.process.begin()
        self.time.at(HEAL_S, self._heal)
        while self.time.step():
            self.steps += 1
            self._check()
            endless = self.time.now() > LIMIT_S or self.steps > MOST_STEPS
            holds(not endless, "never over", f"still at it {LIMIT_S - HEAL_S} s after healing")
        self._check_end()

    # ── the sessions ─────────────────────────────────────────────────────────────────────────────

    def to_client(self, client: ClientId, payload: bytes) -> None:
        """As in `Wires`: what is said to a client that is not there is lost."""
        self.trace.update(payload)
        self.words[client] = payload
        if self.clients[client].connected:
            self.network.send(client, False, payload, self.clients[client].received)

    def to_coordinator(self, client: ClientId, payload: bytes, update: bytes) -> None:
        """As in `Session`."""
        self.trace.update(payload)
        if self.clients[client].connected:
            self.network.send(
                client, True, payload, lambda taken: self.serving.received(taken, update)
            )

    def fetch(self, client: ClientId, digest: Digest) -> bytes | None:
        """As in `Session`: None, if it does not work now."""
        there = self.serving.process.alive and not self.network.separated(client)
        try:
            return self.serving.download(digest) if there else None
        except MissingBlobError:
            return None

    def over(self) -> bool:
        """As in `Session`."""
        return self.serving.finished is not None or self.serving.failure is not None

    def lost(self, client: ClientId, for_s: float) -> None:
        """As in `Session`: the session is over; a new one is tried after `for_s`."""
        one = self.clients[client]
        one.connected, one.attempt = False, one.attempt + 1
        attempt = one.attempt
        self.time.at(self.time.now() + for_s, lambda: self._connect(one, attempt))

    def coordinator_died(self) -> None:
        """As in `Wires`."""
        self.serving.ledger.lose()
        for client in self.clients:
            self.lost(client, AGAIN_S)
        for _, fault in self.schedule.faults:
            if isinstance(fault, Ghost) and (words := self.words.get(fault.client)):
                self._haunt(fault, words)

    def _haunt(self, ghost: Ghost, words: bytes) -> None:
        """Has a client hear a dead coordinator, a while after the next one has begun to speak.

        Not in order: there its last words come after those before them, or not at all.
        """
        if self.schedule.ordered:
            return
        client, due_s = self.clients[ghost.client], self.time.now() + AGAIN_S + ghost.after_s
        self.time.at(due_s, lambda: client.received(words))

    def _connect(self, client: Attending, attempt: int) -> None:
        if attempt != client.attempt or not client.process.alive:
            return
        if not self.serving.process.alive or self.network.separated(client.name):
            self.lost(client.name, AGAIN_S)
            return
        client.connected = True
        self.network.new_session(client.name)
        client.welcomed()
        self.serving.opened(client.name)

    def _cut(self, client: ClientId, for_s: float) -> None:
        """A message was lost, or nothing passes: in order, that is the end of the session."""
        one = self.clients[client]
        if self.schedule.ordered:
            self.lost(client, for_s)
        elif one.connected:
            attempt = one.attempt
            self.time.at(self.time.now() + for_s, lambda: self._connect(one, attempt))

    def _heal(self) -> None:
        for client, one in self.clients.items():
            if one.process.alive:
                self.lost(client, 0.0)

    # ── what must be true ────────────────────────────────────────────────────────────────────────

    def _check(self) -> None:
        ledger = self.serving.ledger
        ledger.look()
        for name, client in self.clients.items():
            kept = client.kept
            if kept == self.kept[name]:
                continue
            self.kept[name], rounds = kept, tiny.rounds_of(kept)
            in_order = rounds == sorted(set(rounds))
            holds(in_order, "client state", f"{name} remembers the rounds {rounds}")
            early = [one for one in rounds if (name, one) not in ledger.accepted]
            holds(not early, "client state", f"{name} remembers {early}, which do not count")

    def _check_end(self) -> None:
        serving, book = self.serving, self.serving.ledger.book
        holds(self.over(), "round open for ever", f"round {len(book.commits) + 1}")
        serving.ledger.resumed(serving.machine)
        for name, client in self.clients.items():
            mine = [one for answer, one in sorted(serving.ledger.accepted) if answer == name]
            if mine:
                heard = mine[-1] in client.acknowledged
                holds(heard, "acknowledgement never repeated", f"{name}, round {mine[-1]}")
            if self.schedule.ordered:
                kept = tiny.rounds_of(client.kept)
                holds(kept == mine, "client state", f"{name} remembers {kept} instead of {mine}")


def run(schedule: Schedule, suspects: Suspects | None = None) -> Ending:
    """What comes of a schedule, with the product's own parts or others in their place."""
    world = World(schedule, suspects or Suspects())
    violation = None
    try:
        world.run()
    except Violation as found:
        violation = found
    except (FedplatError, LookupError, RuntimeError, ValueError) as error:
        violation = Violation("a process failed", f"{type(error).__name__}: {error}")
    book = world.serving.ledger.book
    for entry in world.serving.process.disk.events.durable.read():
        world.trace.update(entry)
    rows = tuple(tuple(client for client, _, _ in one.accepted) for one in book.commits)
    return Ending(violation, book.state[2], rows, world.trace.hexdigest(), world.steps)
