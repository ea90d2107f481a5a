"""What a round fails with, in the words that its operator reads."""

from fedplat.engine.events import ClientDeclined
from fedplat.engine.round import Round
from fedplat.errors import DivergenceError, FedplatError, QuorumError, RoundError, TrainingError
from fedplat.types import ClientId

SILENT = "no sign of life"


def of_closing(round_: Round, quorum: int) -> FedplatError | None:
    """Why a round can not be aggregated with what it has, if it can not."""
    if len(round_.accepted) < quorum:
        reasons = sorted(set(round_.lost.values())) or ["no answer in time"]
        return QuorumError(
            round_id=round_.round_id,
            accepted=len(round_.accepted),
            asked=len(round_.asked),
            quorum=quorum,
            reasons=", ".join(reasons),
        )
    if not any(event.weight > 0 for event in round_.accepted.values()):
        reason = "no accepted client has a training sample; use larger shards"
        return RoundError(round_id=round_.round_id, reason=reason)
    return None


def of_training(event: ClientDeclined) -> TrainingError:
    """A client's own code has failed."""
    return TrainingError(
        round_id=event.round_id, client=event.client, stage="training", reason=event.detail
    )


def of_divergence(round_id: int, client: ClientId, why: str, step: int) -> DivergenceError:
    """A client's loss or update is not finite."""
    what = why.removesuffix(" is not finite")
    return DivergenceError(round_id=round_id, client=client, step=step, what=what)
