"""The clients' evaluations of one committed model, as they come in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fedplat.engine.assignment import Assignment
from fedplat.engine.commands import CoordinatorCommand, SetDeadline
from fedplat.engine.events import LeaseExpired
from fedplat.engine.plan import Plan
from fedplat.types import ClientId, Digest, Metrics


@dataclass(slots=True)
class Survey:
    """Who was asked what a model is worth, and what each has found (nothing, if it is given up)."""

    round_id: int = 0
    opened_s: float = 0.0
    asked: dict[ClientId, Assignment] = field(default_factory=dict)
    found: dict[ClientId, Metrics] = field(default_factory=dict)

    @classmethod
    def of(
        cls, evaluators: Iterable[ClientId], round_id: int, broadcast: Digest, now_s: float
    ) -> "Survey":
        """Asks all of them; nobody, if there is nobody."""
        asked = {c: Assignment(c, round_id, "evaluate", broadcast, now_s) for c in evaluators}
        return cls(round_id, now_s, asked)

    def awaited(self, client: ClientId) -> Assignment | None:
        """What the client was asked and has not answered."""
        return self.asked[client] if self.is_missing(client) else None

    @property
    def open(self) -> list[Assignment]:
        """What was asked and not answered yet."""
        return [self.asked[client] for client in self.missing]

    def deadline(self, plan: Plan) -> list[CoordinatorCommand]:
        """Sets the survey's deadline, if the plan has one."""
        if plan.deadline_s is None:
            return []
        return [SetDeadline(self.round_id, self.opened_s + plan.deadline_s, "evaluate")]

    @property
    def missing(self) -> list[ClientId]:
        return [client for client in self.asked if self.is_missing(client)]

    def is_missing(self, client: ClientId) -> bool:
        """Whether the client was asked and has not answered."""
        return client in self.asked and client not in self.found

    @property
    def is_complete(self) -> bool:
        """Whether everybody has answered."""
        return len(self.found) == len(self.asked)

    def take(self, found: Mapping[ClientId, Metrics]) -> None:
        """Takes what clients have found; what one has said before stands."""
        for client, metrics in found.items():
            if client in self.asked:
                self.found.setdefault(client, metrics)

    def expire(self, event: LeaseExpired) -> Assignment | None:
        """The assignment that this event is about, to be offered again."""
        held = self.asked.get(event.client)
        if held is None or event.client in self.found or not held.is_meant(event):
            return None
        again = self.asked[event.client] = held.again()
        return again
