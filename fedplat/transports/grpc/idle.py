"""Ends a transfer that does not move any more, so that its slot is of use to others."""

from collections.abc import Callable
from threading import Event, Thread
from time import monotonic


class IdleWatch:
    """Calls `end` once nothing has moved for `idle_s` seconds.  A context manager.

    What the other side holds open without a word (a line that was cut, a process that was stopped)
    is noticed here.
    """

    def __init__(self, idle_s: float, end: Callable[[], object]) -> None:
        self._idle_s, self._end = idle_s, end
        self._moved_s, self._over = monotonic(), Event()
        self._thread = Thread(target=self._watch, name="fedplat-idle", daemon=True)

    def __enter__(self) -> "IdleWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def moved(self) -> None:
        """Something has."""
        self._moved_s = monotonic()

    def _watch(self) -> None:
        left_s = self._idle_s
        while not self._over.wait(left_s):
            left_s = self._moved_s + self._idle_s - monotonic()
            if left_s <= 0:
                self._end()
                return
