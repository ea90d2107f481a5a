"""Everything that can happen to a machine.  Past tense; the time is inside.

The coordinator's events are its log: its state is a fold over them, and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fedplat.engine.messages import DeclineReason, Offer, Task, Verdict
from fedplat.errors import AbortedError
from fedplat.types import ClientId, Digest, Metrics


@dataclass(frozen=True, slots=True)
class Started:
    """A coordinator has taken over the log, for the `epoch`-th time.

    It is the first that a process appends, so that an older one can append nothing any more.
    """

    time_s: float
    epoch: int


@dataclass(frozen=True, slots=True)
class Initialised:
    """The first model stands in the blob store; round 1 may begin."""

    time_s: float
    broadcast: Digest
    kept: Digest
    model: Digest


@dataclass(frozen=True, slots=True)
class UpdateReceived:
    """A client's update lies in the spool.  `flaw` says why it can not be used, or is empty.

    `round_id`, `attempt` and `epoch` are those of the offer that it answers.
    """

    time_s: float
    round_id: int
    client: ClientId
    update: Digest
    size_bytes: int
    weight: float
    metrics: Metrics = field(default_factory=dict)
    flaw: str = ""
    attempt: int = 0
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class EvaluationReceived:
    """A client has evaluated the global model (or its own) on its own splits."""

    time_s: float
    round_id: int
    client: ClientId
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class ClientDeclined:
    """A client will not answer this round's offer."""

    time_s: float
    round_id: int
    client: ClientId
    task: Task
    reason: DeclineReason
    detail: str = ""
    step: int = 0


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The deadline of a round's updates, or evaluations, has come, whoever is still missing."""

    time_s: float
    round_id: int
    task: Task = "fit"


@dataclass(frozen=True, slots=True)
class LeaseExpired:
    """Nothing was heard of a client for as long as the `attempt`-th offer of its task allows."""

    time_s: float
    round_id: int
    client: ClientId
    task: Task
    attempt: int


@dataclass(frozen=True, slots=True)
class Aggregated:
    """The accepted updates were folded and the algorithm's server step made; the blobs stand.

    `influence` is the share that each accepted update has in the aggregate, in ClientId order
    (empty: the rule does not tell); `refused` says of those that the rule left out, why.
    `abandoned` says why the rule could not answer for any aggregate: the state is the one before.
    """

    time_s: float
    round_id: int
    broadcast: Digest
    kept: Digest
    model: Digest
    influence: tuple[float, ...] = ()
    refused: Mapping[ClientId, str] = field(default_factory=dict)
    abandoned: str = ""


@dataclass(frozen=True, slots=True)
class RoundCommitted:
    """The one atomic record of a round.  `previous` chains it to the record before.

    `accepted` is in ClientId order: (client, update digest, weight).  `influence`, `refused` and
    `abandoned` are those of `Aggregated`; `quarantined` are the clients that the coordinator puts
    in quarantine by itself, with the reason.
    Raises: ValueError, if `influence` is not one number for each of `accepted`, or empty.
    """

    time_s: float
    round_id: int
    broadcast: Digest
    kept: Digest
    model: Digest
    accepted: tuple[tuple[ClientId, Digest, float], ...]
    metrics: Metrics
    previous: Digest
    influence: tuple[float, ...] = ()
    refused: Mapping[ClientId, str] = field(default_factory=dict)
    abandoned: str = ""
    quarantined: Mapping[ClientId, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.influence and len(self.influence) != len(self.accepted):
            told, rows = len(self.influence), len(self.accepted)
            raise ValueError(f"round {self.round_id} has {told} influences for {rows} updates")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The coordinator has evaluated the committed model on its own held-out data."""

    time_s: float
    round_id: int
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class PauseRequested:
    """The operator wants no further round to be opened; the open one goes on to its commit."""

    time_s: float


@dataclass(frozen=True, slots=True)
class ResumeRequested:
    """The operator lets a paused federation go on."""

    time_s: float


@dataclass(frozen=True, slots=True)
class AbortRequested:
    """The operator ends the federation, without a result; what was committed is kept."""

    time_s: float
    reason: str

    def failure(self, round_id: int) -> AbortedError:
        """What the federation has failed with, during this round."""
        return AbortedError(round_id=round_id, reason=self.reason)


@dataclass(frozen=True, slots=True)
class ClientQuarantined:
    """The operator has put a client in quarantine: it is asked nothing, its updates are refused."""

    time_s: float
    client: ClientId
    reason: str


@dataclass(frozen=True, slots=True)
class ClientReleased:
    """The operator lets a client out of quarantine: from the next round on it may be asked."""

    time_s: float
    client: ClientId


OperatorEvent = (
    PauseRequested | ResumeRequested | AbortRequested | ClientQuarantined | ClientReleased
)
CoordinatorEvent = (
    Started
    | Initialised
    | UpdateReceived
    | EvaluationReceived
    | ClientDeclined
    | DeadlinePassed
    | LeaseExpired
    | Aggregated
    | RoundCommitted
    | Evaluated
    | OperatorEvent
)


@dataclass(frozen=True, slots=True)
class Offered:
    """An offer has arrived at the client."""

    time_s: float
    offer: Offer


@dataclass(frozen=True, slots=True)
class WorkFinished:
    """The client's work on an offer is done; `update` and `state` (to be) stand in its stores."""

    time_s: float
    round_id: int
    task: Task
    update: Digest | None
    weight: float
    metrics: Metrics = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkFailed:
    """The client's work on an offer failed; `step` is the local step that diverged."""

    time_s: float
    round_id: int
    task: Task
    reason: DeclineReason
    detail: str = ""
    step: int = 0


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The coordinator's decision about this client's update has arrived."""

    time_s: float
    round_id: int
    verdict: Verdict
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The coordinator has said that an update to this round's offer would count no more."""

    time_s: float
    round_id: int


ClientEvent = Offered | WorkFinished | WorkFailed | Acknowledged | Cancelled
