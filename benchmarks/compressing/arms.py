"""The codecs that are compared, by the names that the tables show."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

Part = Mapping[str, Any]
KEPT = (0.2, 0.05, 0.01)  # FedZip's shares
TERNARY = (0.01, 0.0025, 0.001)  # STC's
STEPS = (2, 4, 6, 8, 12)  # ECSQ's, in units of the update's root mean square


@dataclass(frozen=True)
class Arm:
    """A codec for the uplink, perhaps one for the downlink.

    `refused` says that the scenario's loader refuses it there, and that it is measured all the same
    to show why.  `family` names the arms of one curve: the same codec at other sizes.  `beside` are
    codecs that encode updates too, only to be measured; `claims` asks for the bits of FedZip's
    arithmetic.
    """

    name: str
    codec: Part
    downlink: Part | None = None
    family: str = ""
    refused: bool = False
    beside: Mapping[str, Part] | None = None
    claims: bool = False


def fedzip(keep: float, corrected: bool) -> Arm:
    """FedZip as published, or with error feedback; its other two encodings, and ours, beside."""
    part = {"name": "fedzip", "keep": keep, "error_feedback": corrected}
    family = "fedzip+ef" if corrected else "fedzip"
    beside = {other: {**part, "encoding": other} for other in ("huffman", "addresses", "context")}
    return Arm(f"{family} {keep:g}", part, family=family, beside=beside, claims=True)


def stc(ratio: float) -> Arm:
    """Sparse ternary compression; error feedback is part of it."""
    return Arm(f"stc {ratio:.2%}", {"name": "stc", "ratio": ratio}, family="stc")


def ecsq(step: float, corrected: bool = True) -> Arm:
    """Our quantiser and our coder."""
    family = "ecsq+ef" if corrected else "ecsq"
    part = {"name": "ecsq", "step": float(step), "error_feedback": corrected}
    return Arm(f"{family} {step:g}", part, family=family)


def both_ways(up: Arm, down: Part) -> Arm:
    """The arm with a codec for what the coordinator sends."""
    return Arm(f"{up.name} both ways", up.codec, down)


def refused(arm: Arm) -> Arm:
    """The arm where the loader does not take it: it drops values, and not all clients are asked."""
    return replace(arm, name=f"{arm.name} (refused)", refused=True, beside=None, claims=False)


FLOAT32 = Arm("float32", {"name": "float32"})
LOSSLESS = Arm("lossless", {"name": "lossless"})
BF16 = Arm("bf16", {"name": "bf16"})
INT8 = Arm("int8", {"name": "int8"})
TERNGRAD = Arm("terngrad", {"name": "terngrad", "entropy": "context"})
EDEN = tuple(Arm(f"eden {bits} bit", {"name": "eden", "bits": bits}) for bits in (1, 4))
