"""What a training costs until it has reached an accuracy: rounds, bytes, and time on a link."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

LINKS_MBIT_S = (2, 10, 100)


@dataclass(frozen=True, slots=True)
class Cost:
    """What had been spent when an accuracy was first reached."""

    rounds: int
    bytes_up: int
    bytes_down: int
    hours: Mapping[int, float]

    @property
    def size_bytes(self) -> int:
        """In both directions, all clients together."""
        return self.bytes_up + self.bytes_down


def until(rounds: Sequence[Mapping[str, Any]], accuracy: float) -> Cost | None:
    """The cost up to the first round whose accuracy is `accuracy` or more; None if none is."""
    reached = [index for index, one in enumerate(rounds) if one["accuracy"] >= accuracy]
    if not reached:
        return None
    spent = rounds[: reached[0] + 1]
    return Cost(
        rounds=len(spent),
        bytes_up=sum(one["bytes_up"] for one in spent),
        bytes_down=sum(one["bytes_down"] for one in spent),
        hours={link: clock(spent, link)[-1] / 3600 for link in LINKS_MBIT_S},
    )


def clock(rounds: Sequence[Mapping[str, Any]], mbit_s: float) -> list[float]:
    """Simulated seconds at the end of each round, where each client has a link of its own.

    A round: a client downloads, works (trains, encodes, decodes), uploads, all clients at the same
    time; then the coordinator decodes and folds.  Its own link is not what is waited for.
    """
    return list(accumulate(_seconds(one, mbit_s) for one in rounds))


def _seconds(one: Mapping[str, Any], mbit_s: float) -> float:
    moved = (one["bytes_up"] + one["bytes_down"]) / max(1, one["accepted"])
    return float(moved * 8 / (mbit_s * 1e6) + one["client_s"] + one["server_s"])
