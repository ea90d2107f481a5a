"""Looks at a stranger's update before it counts: does it decode, is every number finite?"""

import math

import torch

from fedplat.engine.payload import Cargo
from fedplat.errors import CorruptPayloadError

MAX_WEIGHT = 2.0**53  # up to here every whole number is a float: what a fold rule takes


def flaw(payload: bytes | memoryview, weight: float, cargo: Cargo, round_id: int) -> str:
    """Why this update can not be used for that round, or "" if it can.

    Edge cases: a NaN or an infinity anywhere in the update, its extras or the tensors beside it; a
    weight that is negative, not a number or > 2⁵³; a payload of another length than the scenario's;
    a frame that was made for another round (so of another broadcast: a round has one).
    """
    if not 0 <= weight <= MAX_WEIGHT:
        return f"the weight {weight} is no number from 0 to 2**53"
    try:
        made_for = cargo.made_for(payload)
        if made_for is not None and made_for != round_id:
            return f"its frame was made for round {made_for}, it was sent for round {round_id}"
        decoded = cargo.look_at_update(payload)
    except CorruptPayloadError as error:
        return str(error)
    named = {"the update": decoded.update, **decoded.extras, **decoded.beside}
    for name, tensor in named.items():
        # a sum is finite only if all its terms are (an overflow is looked at again, exactly)
        if not math.isfinite(tensor.sum().item()) and not torch.isfinite(tensor).all():
            return f"{name} is not finite"
    return ""
