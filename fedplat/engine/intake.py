"""Looks at a stranger's update before it counts: does it decode, is every number finite?"""

import math
from dataclasses import dataclass

import torch

from fedplat.engine.payload import Cargo
from fedplat.errors import CorruptPayloadError
from fedplat.params import Vector
from fedplat.protocols import Sparse

MAX_WEIGHT = 2.0**53  # up to here every whole number is a float: what a fold rule takes


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What is wrong with an update, or "", and then the update."""

    flaw: str
    row: Vector | Sparse | None = None


def flaw(payload: bytes | memoryview, weight: float, cargo: Cargo, round_id: int) -> str:
    """Why this update can not be used for that round, or "" if it can; see `look`."""
    return look(payload, weight, cargo, round_id).flaw


def look(
    payload: bytes | memoryview,
    weight: float,
    cargo: Cargo,
    round_id: int,
    *,
    rule_refuses: bool = False,
) -> Look:
    """Looks whether an update can be used for that round.

    With `rule_refuses` an update that is not finite is no flaw: the rule that aggregates leaves it
    out, and counts it among the liars.

    Edge cases: a NaN or an infinity anywhere in the update, its extras or the tensors beside it; a
    weight that is negative, not a number or > 2⁵³; a payload of another length than the scenario's;
    a frame that was made for another round (so of another broadcast: a round has one).
    """
    if not 0 <= weight <= MAX_WEIGHT:
        return Look(f"the weight {weight} is no number from 0 to 2**53")
    try:
        made_for = cargo.made_for(payload)
        if made_for is not None and made_for != round_id:
            return Look(f"its frame was made for round {made_for}, it was sent for {round_id}")
        row, beside, extras = cargo.look_at_update(payload)
    except CorruptPayloadError as error:
        return Look(str(error))
    values = row.values if isinstance(row, Sparse) else row
    named = {**({} if rule_refuses else {"the update": values}), **extras, **beside}
    for name, tensor in named.items():
        # a sum is finite only if all its terms are (an overflow is looked at again, exactly)
        if not math.isfinite(tensor.sum().item()) and not torch.isfinite(tensor).all():
            return Look(f"{name} is not finite")
    return Look("", row)
