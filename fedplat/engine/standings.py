"""What the log says of each client, and who is in quarantine."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from fedplat.engine.events import ClientQuarantined, RoundCommitted
from fedplat.engine.plan import Plan
from fedplat.engine.suspicion import NOTHING, Suspicion, scores, shares
from fedplat.types import ClientId


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Since when and why a client is asked nothing; `alone`: the coordinator decided it itself."""

    since_s: float
    round_id: int
    reason: str
    alone: bool = False


@dataclass(slots=True)
class Conduct:
    """How often a client was asked, its update accepted, and then left out by the robust rule.

    `influence` is the sum of its shares, 1 an equal one, over the `told` rounds that have told.
    """

    asked: int = 0
    accepted: int = 0
    refused: int = 0
    influence: float = 0.0
    told: int = 0
    suspicion: Suspicion = NOTHING

    @property
    def mean_influence(self) -> float | None:
        """None, if no rule has told."""
        return self.influence / self.told if self.told else None


@dataclass(slots=True)
class Standings:
    """A fold of the log: each client's conduct, and the quarantine."""

    conduct: dict[ClientId, Conduct] = field(default_factory=dict)
    quarantined: dict[ClientId, Quarantined] = field(default_factory=dict)

    def why(self, client: ClientId) -> str:
        """Why nothing of the client counts; empty, if it is not in quarantine."""
        held = self.quarantined.get(client)
        return f"quarantined: {held.reason}" if held else ""

    def free(self, clients: Iterable[ClientId]) -> list[ClientId]:
        """Those of them that may be asked."""
        return [client for client in clients if client not in self.quarantined]

    def hold(self, event: ClientQuarantined, round_id: int) -> bool:
        """Puts a client in quarantine; whether it was not there already, which then stands."""
        if event.client in self.quarantined:
            return False
        self.quarantined[event.client] = Quarantined(event.time_s, round_id, event.reason)
        return True

    def release(self, client: ClientId) -> None:
        """Lets a client take part again; what it was suspected of is forgotten."""
        if self.quarantined.pop(client, None) is not None and client in self.conduct:
            self.conduct[client].suspicion = NOTHING

    def commit(self, record: RoundCommitted, asked: Iterable[ClientId]) -> None:
        """Takes what a round has told, and puts in quarantine whom its record names."""
        for client in asked:
            self._of(client).asked += 1
        for client, _, _ in record.accepted:
            self._of(client).accepted += 1
        for client in record.refused:
            self._of(client).refused += 1
        for client, share in shares(record).items():
            mine = self._of(client)
            mine.influence, mine.told = mine.influence + share, mine.told + 1
        for client, score in scores(record).items():
            mine = self._of(client)
            mine.suspicion = mine.suspicion.after(score)
        for client, reason in record.quarantined.items():
            held = Quarantined(record.time_s, record.round_id, reason, alone=True)
            self.quarantined.setdefault(client, held)

    def judged(self, record: RoundCommitted, plan: Plan) -> RoundCommitted:
        """The record with whom it puts in quarantine: the most suspect first, the quorum spared."""
        suspects = self._suspects(record, plan)
        return replace(record, quarantined=suspects) if suspects else record

    def _suspects(self, record: RoundCommitted, plan: Plan) -> Mapping[ClientId, str]:
        after = plan.quarantine_after
        if after is None or plan.registered is None:
            return {}
        spare = plan.registered - len(self.quarantined) - plan.quorum
        nothing = Conduct()
        found = list[tuple[float, ClientId, int]]()
        for client, score in scores(record).items():
            now = self.conduct.get(client, nothing).suspicion.after(score)
            value = now.value or 0.0
            enough = value >= after.suspicion and now.rounds >= after.rounds
            if enough and client not in self.quarantined:
                found.append((value, client, now.rounds))
        most = (plan.registered - 1) // 2 if after.most is None else after.most
        if sum(one.alone for one in self.quarantined.values()) + len(found) > most:
            return {}
        found.sort(key=lambda one: (-one[0], one[1].encode()))
        return {
            client: f"suspicion {value:.2f} over {rounds} rounds"
            for value, client, rounds in found[: max(0, spare)]
        }

    def _of(self, client: ClientId) -> Conduct:
        mine = self.conduct.get(client)
        if mine is None:
            mine = self.conduct[client] = Conduct()
        return mine
