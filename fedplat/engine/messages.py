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
    client declines, or holds its answer back, wherever it runs.
    """

    client: ClientId
    round_id: int
    task: Task
    broadcast: Digest
    dropout: bool = False
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Submit:
    """A client's answer: its metrics, and the digest of its update (None to an evaluation)."""

    client: ClientId
    round_id: int
    task: Task
    update: Digest | None
    weight: float
    metrics: Metrics = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decline:
    """A client says that it will not answer an offer.  `step` is the local step that diverged."""

    client: ClientId
    round_id: int
    task: Task
    reason: DeclineReason
    detail: str = ""
    step: int = 0


@dataclass(frozen=True, slots=True)
class Ack:
    """The coordinator has decided about a submitted update, durably."""

    client: ClientId
    round_id: int
    verdict: Verdict
    detail: str = ""


ToClient = Offer | Ack
ToCoordinator = Submit | Decline
Message = ToClient | ToCoordinator
