"""What is still under way from rounds that have closed."""

from dataclasses import dataclass, field

from fedplat.engine.assignment import Assignment
from fedplat.engine.events import LeaseExpired, UpdateReceived
from fedplat.types import ClientId


@dataclass(slots=True)
class Backlog:
    """Assignments whose clients still work, and updates that came between two rounds.

    A client has at most one assignment: it is not asked again before that is settled.
    """

    assignments: dict[ClientId, Assignment] = field(default_factory=dict)
    waiting: list[UpdateReceived] = field(default_factory=list)

    def find(self, client: ClientId, round_id: int) -> Assignment | None:
        """What the client was asked in that round and has not answered."""
        found = self.assignments.get(client)
        return found if found is not None and found.round_id == round_id else None

    def holds(self, event: UpdateReceived) -> bool:
        """Whether this update waits for the next round already."""
        return any((e.client, e.round_id) == (event.client, event.round_id) for e in self.waiting)

    def keep(self, event: UpdateReceived) -> None:
        """Has an update wait for the next round."""
        self.waiting.append(event)
        self.assignments.pop(event.client, None)

    def drop(self, client: ClientId) -> list[UpdateReceived]:
        """Lets go of all that is this client's; returns the updates among it."""
        self.assignments.pop(client, None)
        gone = [event for event in self.waiting if event.client == client]
        self.waiting = [event for event in self.waiting if event.client != client]
        return gone

    def expire(self, event: LeaseExpired) -> Assignment | None:
        """The assignment that this event is about, to be offered again."""
        held = self.assignments.get(event.client)
        if held is None or not held.is_meant(event):
            return None
        again = self.assignments[event.client] = held.again()
        return again

    def admit(
        self, round_id: int, most: int, max_staleness: int | None
    ) -> tuple[list[UpdateReceived], list[UpdateReceived]]:
        """The updates that a round takes in, `most` of them, and those that are too old for it.

        Assignments that are too old are let go of: their clients can be asked again.
        """
        oldest = 0 if max_staleness is None else round_id - max_staleness
        self.assignments = {c: a for c, a in self.assignments.items() if a.round_id >= oldest}
        old = [event for event in self.waiting if event.round_id < oldest]
        fresh = [event for event in self.waiting if event.round_id >= oldest]
        self.waiting = fresh[most:]
        return fresh[:most], old

    def clear(self) -> list[UpdateReceived]:
        """Lets go of everything; returns the updates among it."""
        waiting, self.waiting = self.waiting, []
        self.assignments = {}
        return waiting
