"""Everything that a machine can ask its driver to do.  Imperative."""

from dataclasses import dataclass

from fedplat.engine.events import RoundCommitted
from fedplat.engine.messages import Message, Offer, Task
from fedplat.errors import FedplatError
from fedplat.types import ClientId, Digest


@dataclass(frozen=True, slots=True)
class Send:
    """Deliver `message`, `after_s` from now."""

    message: Message
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SetDeadline:
    """Post `DeadlinePassed(round_id, task)` at `time_s`."""

    round_id: int
    time_s: float
    task: Task = "fit"


@dataclass(frozen=True, slots=True)
class SetLease:
    """Post `LeaseExpired` once nothing was heard of the client for `lease_s`, from now on."""

    client: ClientId
    round_id: int
    task: Task
    attempt: int
    lease_s: float


@dataclass(frozen=True, slots=True)
class FoldAhead:
    """Fold these updates already: nobody can come before them any more (ClientId order).

    They follow the `start` updates that were folded ahead before.  A hint: the next `Aggregate` is
    binding, and its result does not depend on what was folded ahead.
    """

    round_id: int
    start: int
    updates: tuple[tuple[ClientId, Digest, float], ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Fold these updates (ClientId order: client, digest, weight), make the server step, post
    `Aggregated`.  `broadcast` and `kept` are the state that the round started from; the mean update
    is multiplied by `scale` (1, unless some of them are stale).
    """

    round_id: int
    broadcast: Digest
    kept: Digest
    updates: tuple[tuple[ClientId, Digest, float], ...]
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Commit:
    """Append `record` to the log (its blobs stand already): the round has happened."""

    record: RoundCommitted


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Evaluate the model of `broadcast` on the coordinator's own data, post `Evaluated`."""

    round_id: int
    broadcast: Digest


@dataclass(frozen=True, slots=True)
class Finish:
    """No round is left to do.  `model` is the digest of the resulting model, that of the round
    `selected`; `round_id` is the last round.
    """

    round_id: int
    selected: int
    broadcast: Digest
    model: Digest


@dataclass(frozen=True, slots=True)
class Fail:
    """The federation can not go on."""

    error: FedplatError


CoordinatorCommand = (
    Send | SetDeadline | SetLease | FoldAhead | Aggregate | Commit | Evaluate | Finish | Fail
)


@dataclass(frozen=True, slots=True)
class Work:
    """Do what `offer` asks, post `WorkFinished` or `WorkFailed`."""

    offer: Offer


@dataclass(frozen=True, slots=True)
class KeepState:
    """The update counts: the client state that came with it takes effect."""

    round_id: int


@dataclass(frozen=True, slots=True)
class DropState:
    """The update does not count: forget the client state that came with it."""

    round_id: int


@dataclass(frozen=True, slots=True)
class StopWork:
    """Leave off what is being done for this round: nobody waits for it any more."""

    round_id: int


ClientCommand = Send | Work | KeepState | DropState | StopWork
