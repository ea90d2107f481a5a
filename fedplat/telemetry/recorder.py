"""Turns the coordinator's events into the records that people and files are given."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Protocol

from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import (
    AbortRequested,
    ClientDeclined,
    ClientQuarantined,
    ClientReleased,
    CoordinatorEvent,
    Evaluated,
    EvaluationReceived,
    Initialised,
    PauseRequested,
    ResumeRequested,
    RoundCommitted,
)
from fedplat.telemetry.stopwatch import Stopwatch
from fedplat.types import ClientId, Mean, Metrics, merge, values

Record = Mapping[str, Any]


class Traffic(Protocol):
    """Counts what a federation moves."""

    @property
    def bytes_up(self) -> int: ...

    @property
    def bytes_down(self) -> int: ...


class Now(Protocol):
    """Tells the federation's time."""

    def now(self) -> float:
        """Seconds since the federation began."""


class Observed(Protocol):
    """What a record tells besides the log: a simulation or a daemon."""

    @property
    def coordinator(self) -> Coordinator: ...

    @property
    def transport(self) -> Traffic: ...

    @property
    def stopwatch(self) -> Stopwatch: ...

    @property
    def schedule(self) -> Now: ...


Tell = Callable[[Record], None]
Figures = Mapping[str, float | None]
OWN_TEST = "personal/test/"


@dataclass
class Recorder:
    """Observes a federation's events and tells records of them (`telemetry.records`).

    Told once a round, when it is committed and, where that is due, evaluated.  `unlike` holds the
    clients whose environment is not the coordinator's: their accepted updates are counted.
    """

    tell: Tell
    rounds: int
    evaluates: Callable[[int], bool]
    federation: Observed | None = None
    unlike: Container[ClientId] = frozenset()
    central: dict[int, Figures] = field(default_factory=dict)
    personal: dict[int, Figures] = field(default_factory=dict)
    _committed: RoundCommitted | None = None
    _held: Record = field(default_factory=dict)
    _surveys: dict[ClientId, Metrics] = field(default_factory=dict)
    _survey_round: int = 0
    _bytes: tuple[int, int] = (0, 0)

    def catch_up(self, events: Iterable[CoordinatorEvent], told: Set[int]) -> None:
        """Takes the events of a log that was begun earlier; tells the rounds that were not `told`.

        What only the earlier process knew (bytes, seconds) is left out of such a record.
        """
        for event in events:
            if isinstance(event, RoundCommitted):
                self._remember_personal()
                self._surveys.clear()
            if isinstance(event, EvaluationReceived):
                self._surveys[event.client], self._survey_round = event.metrics, event.round_id
            elif isinstance(event, RoundCommitted):
                self._committed = event
            elif isinstance(event, Evaluated):
                self.central[event.round_id] = readable(event.metrics)
            committed = self._committed
            if committed is None or self._waits(committed, event):
                continue
            self._committed = None
            if committed.round_id not in told:
                central = self.central.get(committed.round_id, {})
                self.tell(round_record(committed, central, self.unlike))

    def _waits(self, committed: RoundCommitted, event: CoordinatorEvent) -> bool:
        return self.evaluates(committed.round_id) and not isinstance(event, Evaluated)

    def on(self, event: CoordinatorEvent) -> None:
        """Takes an event that is in the log."""
        match event:
            case EvaluationReceived(_, round_id, client, metrics):
                self._surveys[client], self._survey_round = metrics, round_id
            case ClientDeclined(task="evaluate"):
                pass
            case RoundCommitted():
                self.settle()
                self._committed = event
                self._hold(event)
                if not self.evaluates(event.round_id):
                    self._tell_round({})
            case Evaluated(_, round_id, metrics):
                self.central[round_id] = readable(metrics)  # empty, if no model here is whole
                self._tell_round(self.central[round_id])
            case Initialised() | PauseRequested() | ResumeRequested() | AbortRequested():
                pass
            case ClientQuarantined() | ClientReleased():
                pass
            case _ if self._committed is None:  # a round is told before what its clients found
                self.settle()

    def settle(self) -> None:
        """Tells what the clients' evaluations gave, once all have come in."""
        self._remember_personal()
        surveys, self._surveys = self._surveys, {}
        kinds = sorted({tuple(n.split("/")[:2]) for found in surveys.values() for n in found})
        for model, split in kinds:
            self.tell(survey_record(self._survey_round, model, split, surveys))

    def _remember_personal(self) -> None:
        """The clients' own models on their own test splits, all samples together."""
        merged = merge(self._surveys.values())
        mine = {n.rpartition("/")[2]: m for n, m in merged.items() if n.startswith(OWN_TEST)}
        if mine:
            self.personal[self._survey_round] = readable(mine)

    def _hold(self, committed: RoundCommitted) -> None:
        """Takes down what only this moment knows of the round that is being committed."""
        self._held = {}
        if self.federation is None:
            return
        round_, transport = self.federation.coordinator.round, self.federation.transport
        before, self._bytes = self._bytes, (transport.bytes_up, transport.bytes_down)
        seconds = self.federation.stopwatch.lap("train")
        late = () if self.federation.coordinator.plan.carry_over else round_.missing
        self._held = {
            "asked": len(round_.asked),
            "dropped": sum(why == "dropout" for why in round_.lost.values()),
            "refused": sum(why != "dropout" for why in round_.lost.values()),
            "late": len(late),
            "stale": sum(one.round_id < round_.round_id for one in round_.accepted.values()),
            "bytes_up": transport.bytes_up - before[0],
            "bytes_down": transport.bytes_down - before[1],
            "clients_per_s": len(committed.accepted) / seconds["total"],
            "eta_s": (self.rounds - committed.round_id) * seconds["total"],
            "virtual_s": self.federation.schedule.now(),
            "seconds": seconds,
        }

    def _tell_round(self, central: Mapping[str, float | None]) -> None:
        committed, self._committed = self._committed, None
        if committed is not None:
            self.tell({**round_record(committed, central, self.unlike), **self._held})


def round_record(
    committed: RoundCommitted,
    central: Mapping[str, float | None],
    unlike: Container[ClientId] = frozenset(),
) -> dict[str, Any]:
    """What the log knows of a round, and how many of its updates come from `unlike` clients."""
    return {
        "event": "round",
        "round": committed.round_id,
        **{name: central.get(name) for name in ("accuracy", "rmse", "loss")},
        "train_loss": readable(committed.metrics).get("train_loss"),
        "accepted": len(committed.accepted),
        "unlike": sum(client in unlike for client, *_ in committed.accepted),
        "digest": committed.model,
        **_judged(committed),
    }


def _judged(committed: RoundCommitted) -> dict[str, Any]:
    """What the rule told of the round's updates; nothing where it is mute."""
    told: dict[str, Any] = {}
    if committed.influence:
        rows = zip(committed.accepted, committed.influence, strict=True)
        told["influence"] = {client: _short(share) for (client, _, _), share in rows}
        told["claimed"] = {client: _short(weight) for client, _, weight in committed.accepted}
    if committed.refused:
        told["left_out"] = dict(committed.refused)
    if committed.quarantined:
        told["quarantined"] = dict(committed.quarantined)
    if committed.abandoned:
        told["abandoned"] = committed.abandoned
    return told


def _short(value: float) -> float:
    """Six digits: a thousand clients' shares are a line of a file each round."""
    return float(f"{value:.6g}")


def readable(metrics: Metrics) -> dict[str, float | None]:
    """Metrics as numbers for people: a mean squared error also as its root."""
    plain = values(metrics)
    if plain.get("squared_error") is not None:
        plain["rmse"] = float(plain["squared_error"] or 0.0) ** 0.5
    return plain


def survey_record(
    round_id: int, model: str, split: str, surveys: Mapping[ClientId, Metrics]
) -> dict[str, Any]:
    """The clients' evaluations of one model on one split: each, and mean, 10th percentile, worst.

    `overall` merges the clients' counts exactly, so that a large client counts for more; `mean`
    gives every client the same weight.  A regression's figures are of the rmse, where large is bad.
    """
    prefix = f"{model}/{split}/"
    cut = {
        client: {n.removeprefix(prefix): m for n, m in found.items() if n.startswith(prefix)}
        for client, found in sorted(surveys.items(), key=lambda item: item[0].encode())
    }
    clients = {client: {**readable(own), "samples": _samples(own)} for client, own in cut.items()}
    error = any("rmse" in one for one in clients.values())
    found = (one.get("rmse" if error else "accuracy") for one in clients.values())
    scores = sorted((score for score in found if score is not None), reverse=error)
    return {
        "event": "evaluation",
        "round": round_id,
        "split": split,
        "model": model,
        "clients": clients,
        "mean": sum(scores) / len(scores) if scores else None,
        "p10": quantile(scores, 0.1) if scores else None,
        "worst": scores[0] if scores else None,
        "overall": readable(merge(cut.values())),
    }


def quantile(ordered: Sequence[float], q: float) -> float:
    """The q-quantile of ordered values, linear between neighbours."""
    at = q * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def _samples(metrics: Mapping[str, Mean]) -> int:
    return max((mean.count for mean in metrics.values()), default=0)
