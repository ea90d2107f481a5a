"""Virtual time: what happens next is what is due first, at once."""

import heapq
from collections.abc import Callable

Delivery = Callable[[], None]


class Schedule:
    """Deliveries in the order of their virtual time; of equal ones the first scheduled is first.

    Units: seconds since the federation began.
    """

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s
        self._heap: list[tuple[float, int, Delivery]] = []
        self._count = 0

    def now(self) -> float:
        return self.now_s

    def at(self, time_s: float, deliver: Delivery) -> None:
        """Has `deliver` called when virtual time has come to `time_s` (now, if that has passed)."""
        heapq.heappush(self._heap, (max(time_s, self.now_s), self._count, deliver))
        self._count += 1

    def more_now(self) -> bool:
        """Whether something else is due at the present moment."""
        return bool(self._heap) and self._heap[0][0] <= self.now_s

    def step(self) -> bool:
        """Moves time to the next delivery and makes it; False if there is none."""
        if not self._heap:
            return False
        self.now_s, _, deliver = heapq.heappop(self._heap)
        deliver()
        return True
