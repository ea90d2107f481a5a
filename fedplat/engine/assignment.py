"""What one client was asked to do, and since when."""

from dataclasses import dataclass, replace

from fedplat.engine.commands import CoordinatorCommand, Send, SetLease
from fedplat.engine.events import LeaseExpired
from fedplat.engine.messages import Offer, Task
from fedplat.engine.plan import Selected
from fedplat.types import ClientId, Digest


@dataclass(frozen=True, slots=True)
class Assignment:
    """A client's task in a round.  Its lease expires when nothing is heard of the client."""

    client: ClientId
    round_id: int
    task: Task
    broadcast: Digest
    asked_s: float
    dropout: bool = False
    delay_s: float = 0.0
    attempt: int = 1

    @classmethod
    def of(cls, selected: Selected, round_id: int, broadcast: Digest, now_s: float) -> "Assignment":
        """What a round asks of a client that it has selected."""
        return cls(
            selected.client, round_id, "fit", broadcast, now_s, selected.dropout, selected.delay_s
        )

    @property
    def expired(self) -> bool:
        """Whether nothing was heard of the client for a whole lease."""
        return self.attempt > 1

    def is_meant(self, event: LeaseExpired) -> bool:
        """Whether it is this assignment's present lease that has expired."""
        mine = self.client, self.round_id, self.task, self.attempt
        return mine == (event.client, event.round_id, event.task, event.attempt)

    def again(self) -> "Assignment":
        """The same assignment, to be offered once more."""
        return replace(self, attempt=self.attempt + 1)

    def offers(self, now_s: float, epoch: int, lease_s: float | None) -> list[CoordinatorCommand]:
        """Offers it to its client, and sets its lease."""
        offer = Offer(
            self.client,
            self.round_id,
            self.task,
            self.broadcast,
            self.dropout,
            max(0.0, self.delay_s - (now_s - self.asked_s)),
            self.attempt,
            epoch,
            lease_s or 0.0,
        )
        if lease_s is None:
            return [Send(offer)]
        lease = SetLease(self.client, self.round_id, self.task, self.attempt, lease_s)
        return [Send(offer), lease]
