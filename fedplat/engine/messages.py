"""What coordinator and clients say to each other.  Tensors never travel here, only blob digests."""

from dataclasses import dataclass, field
from typing import Literal

from fedplat.types import ClientId, Digest, Metrics

Task = Literal["fit", "evaluate"]
DeclineReason = Literal["dropout", "diverged", "failed"]
Verdict = Literal["accepted", "late", "refused"]


@dataclass(frozen=True, slots=True)
class Offer:
    """The coordinator asks one client to work on `broadcast` in `round_id`.

    `dropout` and `delay_s` are the scenario's simulated misfortune, drawn by the coordinator: the
    client declines, or holds its answer back, wherever it runs.  `attempt` counts how often this
    assignment was offered (0: by a coordinator that did not say); `epoch` how often the coordinator
    had been started; after `lease_s` without a sign of life of the client it is offered again (0:
    never).
    """

    client: ClientId
    round_id: int
    task: Task
    broadcast: Digest
    dropout: bool = False
    delay_s: float = 0.0
    attempt: int = 0
    epoch: int = 0
    lease_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Submit:
    """A client's answer: its metrics, and the digest of its update (None to an evaluation).

    `attempt` and `epoch` are those of the offer that it answers (0: a client that did not say).
    """

    client: ClientId
    round_id: int
    task: Task
    update: Digest | None
    weight: float
    metrics: Metrics = field(default_factory=dict)
    attempt: int = 0
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Decline:
    """A client says that it will not answer an offer.  `step` is the local step that diverged;
    `attempt` and `epoch` as in `Submit`.
    """

    client: ClientId
    round_id: int
    task: Task
    reason: DeclineReason
    detail: str = ""
    step: int = 0
    attempt: int = 0
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Ack:
    """The coordinator has decided about a submitted update, durably."""

    client: ClientId
    round_id: int
    verdict: Verdict
    detail: str = ""
    epoch: int = 0


ToClient = Offer | Ack
ToCoordinator = Submit | Decline
Message = ToClient | ToCoordinator
