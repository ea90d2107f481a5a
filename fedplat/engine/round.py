"""A round as the coordinator's machine sees it."""

from dataclasses import dataclass, field

from fedplat.engine.events import UpdateReceived
from fedplat.engine.plan import Selected
from fedplat.types import ClientId


@dataclass(slots=True)
class Round:
    """The round in progress: who was asked, and what has become of each."""

    round_id: int = 0
    opened_s: float = 0.0
    asked: dict[ClientId, Selected] = field(default_factory=dict)
    accepted: dict[ClientId, UpdateReceived] = field(default_factory=dict)
    lost: dict[ClientId, str] = field(default_factory=dict)
    settled: int = 0
    folded: int = 0

    @property
    def missing(self) -> list[ClientId]:
        return [c for c in self.asked if c not in self.accepted and c not in self.lost]

    @property
    def complete(self) -> bool:
        return len(self.accepted) + len(self.lost) == len(self.asked)

    def settle(self) -> tuple[UpdateReceived, ...]:
        """The accepted updates before which, in ClientId order, nobody can come any more.

        Each is given once; `settled` counts the clients passed, `folded` the updates given.
        """
        order, given = list(self.asked), []
        while self.settled < len(order):
            client = order[self.settled]
            if client in self.accepted:
                given.append(self.accepted[client])
            elif client not in self.lost:
                break
            self.settled += 1
        self.folded += len(given)
        return tuple(given)
