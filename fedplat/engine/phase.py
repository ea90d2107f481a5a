"""Where a federation stands."""

from typing import Literal

Phase = Literal[
    "idle", "collecting", "aggregating", "committing", "surveying", "paused", "finished", "failed"
]
OVER: tuple[Phase, ...] = ("finished", "failed")
