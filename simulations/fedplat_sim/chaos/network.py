"""Virtual time and a network in it that does what a schedule says."""

from collections.abc import Callable
from dataclasses import dataclass, field

from fedplat.errors import CorruptPayloadError
from fedplat.types import ClientId
from fedplat.wire import convert
from fedplat_sim.chaos.faults import HEAL_S, OnMessage, Partition, Schedule
from fedplat_sim.schedule import Schedule as Timeline

Deliver = Callable[[bytes], None]
Cut = Callable[[ClientId, float], None]
Link = tuple[ClientId, bool]


@dataclass
class Network:
    """Carries messages, as bytes, between the coordinator and its clients.

    `cut` is told of a client whose session must end, and for how long it can not be resumed.
    Guarantees: what travels depends on the schedule alone; a message that was damaged is decoded,
    which may refuse it and do nothing else, and is then lost, since TLS would have noticed.
    """

    schedule: Schedule
    time: Timeline
    cut: Cut
    sent: int = 0
    _faults: dict[int, OnMessage] = field(default_factory=dict)
    _last_s: dict[Link, float] = field(default_factory=dict)
    _sessions: dict[ClientId, int] = field(default_factory=dict)
    _partitions: list[Partition] = field(default_factory=list)

    def __post_init__(self) -> None:
        for _, fault in self.schedule.faults:
            if isinstance(fault, OnMessage):
                self._faults.setdefault(fault.index, fault)
            elif isinstance(fault, Partition):
                self._partitions.append(fault)
        for partition in self._partitions:
            length_s = min(partition.length_s, HEAL_S - partition.start_s)
            self.time.at(
                partition.start_s,
                lambda one=partition, s=length_s: self.cut(one.client, s),  # type: ignore[misc]
            )

    def separated(self, client: ClientId) -> bool:
        """Whether nothing passes between the coordinator and this client now."""
        now_s = self.time.now()
        return now_s < HEAL_S and any(
            one.client == client and one.start_s <= now_s < one.start_s + one.length_s
            for one in self._partitions
        )

    def new_session(self, client: ClientId) -> None:
        """What is on its way in order belongs to the session before, and is lost with it."""
        self._sessions[client] = self._sessions.get(client, 0) + 1
        self._last_s.pop((client, True), None)
        self._last_s.pop((client, False), None)

    def send(self, client: ClientId, up: bool, payload: bytes, deliver: Deliver) -> None:
        """Takes a message to the coordinator (`up`) or to the client."""
        index, self.sent = self.sent, self.sent + 1
        fault = self._faults.get(index) if self.time.now() < HEAL_S else None
        if self.separated(client):
            return
        if fault is not None and fault.what in ("drop", "truncate", "corrupt"):
            _damaged(payload, fault)
            self.cut(client, fault.late_s)
            return
        latency_s = self.schedule.latencies[index % len(self.schedule.latencies)]
        late_s = fault.late_s if fault is not None and fault.what == "delay" else 0.0
        self._carry((client, up), latency_s + late_s, payload, deliver)
        if fault is not None and fault.what == "duplicate":
            self._carry((client, up), latency_s + fault.late_s, payload, deliver)

    def _carry(self, link: Link, after_s: float, payload: bytes, deliver: Deliver) -> None:
        due_s = self.time.now() + after_s
        session = self._sessions.get(link[0])
        if self.schedule.ordered:
            due_s = self._last_s[link] = max(due_s, self._last_s.get(link, 0.0))

        def arrive() -> None:
            ended = self.schedule.ordered and session != self._sessions.get(link[0])
            if not ended and not self.separated(link[0]):
                deliver(payload)

        self.time.at(due_s, arrive)


def _damaged(payload: bytes, fault: OnMessage) -> None:
    """Reads what has become of the message: a decoder may refuse it, and do nothing else."""
    at = int(fault.late_s * 1e6) % max(1, len(payload))
    if fault.what == "truncate":
        payload = payload[:at]
    elif fault.what == "corrupt":
        payload = payload[:at] + bytes([payload[at] ^ 1 << at % 8]) + payload[at + 1 :]
    try:
        convert.decode(payload)
    except CorruptPayloadError:
        pass
