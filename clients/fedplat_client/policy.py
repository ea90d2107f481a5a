"""What may leave a client: its owner's word on every frame that goes out.

A metric that the client's file does not allow is not said, nor is the text of an error.
"""

import re
from dataclasses import replace
from fnmatch import fnmatchcase

from fedplat.config.deployment import DiscloseConfig
from fedplat.engine.messages import Decline, Submit
from fedplat.types import Mean
from fedplat.wire.session import Frame

KIND = re.compile(r"([A-Za-z_]\w{0,63}(?:Error|Exception|Exit|Interrupt)):")
DIVERGED = ("the training loss", "the trained model", "the loss of an evaluation")
STAYS = "the text stays in the client's log, unless its file says `disclose.errors = true`"


def released(frame: Frame, disclose: DiscloseConfig) -> tuple[Frame, tuple[str, ...]]:
    """The frame as it may go out, and the names of what it lost on the way.

    Guarantees: a metric leaves only if a pattern allows its name and it counts `min_count` samples
    or more; of an error leaves what kind it was, unless `errors` allows its text.
    """
    match frame:
        case Submit():
            allowed = {
                name: one for name, one in frame.metrics.items() if _may(name, one, disclose)
            }
            withheld = tuple(sorted(frame.metrics.keys() - allowed.keys()))
            return replace(frame, metrics=allowed), withheld
        case Decline() if not disclose.errors:
            said = _kind(frame)
            return replace(frame, detail=said), () if said == frame.detail else (
                "the error's text",
            )
        case _:
            return frame, ()


def _may(name: str, mean: Mean, disclose: DiscloseConfig) -> bool:
    named = any(fnmatchcase(name, pattern) for pattern in disclose.metrics)
    return named and mean.count >= disclose.min_count


def _kind(decline: Decline) -> str:
    """What may be said of a failure in any case: words of our own, and an exception's type."""
    if decline.reason == "dropout":
        return ""
    if decline.reason == "diverged":
        return decline.detail if decline.detail in DIVERGED else "a number"
    found = KIND.match(decline.detail)
    return f"{found[1] if found else 'an error'}; {STAYS}"
