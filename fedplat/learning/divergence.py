"""How local training says that a number stopped being finite."""

from fedplat.errors import DivergenceError, TrainingError

UNKNOWN = "?"


def diverged(step: int, what: str) -> DivergenceError:
    """The error of a learner whose `what` is not finite after `step` (counted from 1).

    A learner knows neither the round nor the client: whoever asked it fills in these fields.
    """
    return DivergenceError(round_id=UNKNOWN, client=UNKNOWN, step=step, what=what)


def refused(stage: str, error: Exception) -> TrainingError:
    """The error of a learner whose module raised `error` in `stage`."""
    reason = f"{type(error).__name__}: {error}"
    return TrainingError(round_id=UNKNOWN, client=UNKNOWN, stage=stage, reason=reason)
