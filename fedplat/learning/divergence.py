"""How local training says that a number stopped being finite.

A learner knows the local step, not the round or the client: it raises `DivergenceError` with "?"
for both, and whoever asked it fills them in with `located`.
"""

from typing import TypeVar

from fedplat.errors import DivergenceError, TrainingError
from fedplat.types import ClientId

Located = TypeVar("Located", DivergenceError, TrainingError)
UNKNOWN = "?"


def diverged(step: int, what: str) -> DivergenceError:
    """The error of a learner whose `what` is not finite after `step` (counted from 1)."""
    return DivergenceError(round_id=UNKNOWN, client=UNKNOWN, step=step, what=what)


def located(error: Located, round_id: int, client: ClientId) -> Located:
    """The same error with its round and client."""
    return type(error)(**{**error.fields, "round_id": round_id, "client": client})
