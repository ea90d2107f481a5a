"""The wall time of each round, as a subscriber of a run sees it."""

from collections.abc import Mapping
from time import perf_counter
from typing import Any


class Laps:
    """A subscriber that takes the time at each round's record, so with its evaluation."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.accuracies: list[float | None] = []
        self._last = perf_counter()

    def on(self, record: Mapping[str, Any]) -> None:
        now = perf_counter()
        if record["event"] == "round":
            self.seconds.append(now - self._last)
            self.accuracies.append(record["accuracy"])
        if record["event"] in ("started", "shards", "round"):
            self._last = now

    def close(self) -> None:
        """Holds nothing."""

    def answer(self) -> dict[str, Any]:
        return {"round_seconds": self.seconds, "accuracies": self.accuracies}
