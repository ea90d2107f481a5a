"""Ends transfers that do not move any more, so that their slots are of use to others."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Thread
from time import monotonic, sleep


class Watched:
    """One transfer that is watched: `end` is called once nothing has moved for too long."""

    def __init__(self, end: Callable[[], object]) -> None:
        self.end = end
        self.moved_s = monotonic()

    def moved(self) -> None:
        """Something has."""
        self.moved_s = monotonic()


class IdleWatch:
    """Ends every transfer that has not moved for `idle_s` seconds.  Safe to use from any thread.

    What the other side holds open without a word (a line that was cut, a process that was stopped)
    is noticed here.  One thread watches over all transfers: it begins with the first, and ends when
    it finds none; a transfer costs no thread.
    """

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        self._watched: set[Watched] = set()
        self._lock = Lock()
        self._watching = False

    @contextmanager
    def over(self, end: Callable[[], object]) -> Iterator[Watched]:
        """Watches over one transfer while the block runs."""
        one = Watched(end)
        with self._lock:
            self._watched.add(one)
            begins, self._watching = not self._watching, True
        if begins:
            Thread(target=self._watch, name="fedplat-idle", daemon=True).start()
        try:
            yield one
        finally:
            with self._lock:
                self._watched.discard(one)

    def _watch(self) -> None:
        """Sleeps until the first transfer could be idle: one that begins meanwhile is due later."""
        left_s: float | None = self._idle_s
        while left_s is not None:
            sleep(left_s)
            for one in self._idle():
                one.end()
            left_s = self._next_s()

    def _idle(self) -> list[Watched]:
        """The transfers that have not moved for too long; they are not watched any more."""
        long_ago_s = monotonic() - self._idle_s
        with self._lock:
            idle = [one for one in self._watched if one.moved_s <= long_ago_s]
            self._watched.difference_update(idle)
        return idle

    def _next_s(self) -> float | None:
        """Seconds until the next transfer could be idle; None, if there is none."""
        with self._lock:
            self._watching = bool(self._watched)
            if not self._watched:
                return None
            first_s = min(one.moved_s for one in self._watched)
        return max(0.0, first_s + self._idle_s - monotonic())
