"""When clients can be asked: a trace of windows in virtual seconds or in rounds."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64

from fedplat import check
from fedplat.types import ClientId

Unit = Literal["seconds", "rounds"]
Window = tuple[float, float]


@dataclass(frozen=True)
class Trace:
    """Each client's windows [start, stop); a client that is not named is never there.

    Rounds count from 1.  With `period` the trace repeats: a day's trace serves a week.
    Raises: ValueError, if a window is empty, not finite, negative, or ends after `period`.
    """

    windows: Mapping[ClientId, tuple[Window, ...]]
    unit: Unit = "seconds"
    period: float | None = None

    def __post_init__(self) -> None:
        check.one_of(("seconds", "rounds"), unit=self.unit)
        if self.period is not None:
            check.positive(period=self.period)
        if not self.windows:
            raise ValueError("a trace names at least one client")
        for client, windows in self.windows.items():
            for start, stop in windows:
                _check(client, start, stop, self.period)

    def available(self, round_id: int, time_s: float) -> tuple[ClientId, ...]:
        """The clients that can be asked now, in ClientId order."""
        now = time_s if self.unit == "seconds" else float(round_id)
        if self.period is not None:
            now %= self.period
        there = np.unique(self._owners[(self._starts <= now) & (now < self._stops)])
        return tuple(self.clients[index] for index in there)

    @cached_property
    def clients(self) -> tuple[ClientId, ...]:
        return tuple(sorted(self.windows, key=str.encode))

    @cached_property
    def _starts(self) -> Float64[np.ndarray, " windows"]:
        return self._column([start for c in self.clients for start, _ in self.windows[c]])

    @cached_property
    def _stops(self) -> Float64[np.ndarray, " windows"]:
        return self._column([stop for c in self.clients for _, stop in self.windows[c]])

    @cached_property
    def _owners(self) -> Int64[np.ndarray, " windows"]:
        counts = [len(self.windows[client]) for client in self.clients]
        return np.repeat(np.arange(len(counts)), counts)

    def _column(self, values: list[float]) -> Float64[np.ndarray, " windows"]:
        return np.array(values, dtype=np.float64)


def _check(client: ClientId, start: float, stop: float, period: float | None) -> None:
    if not (isfinite(start) and isfinite(stop) and 0 <= start < stop):
        raise ValueError(f"{client}: a window needs 0 <= start < stop, got {start} to {stop}")
    if period is not None and stop > period:
        raise ValueError(f"{client}: the window {start} to {stop} ends after the period {period}")
