"""Where a round's real time goes."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Stopwatch:
    """Adds up seconds by phase until they are read."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._since = perf_counter()

    def restart(self) -> None:
        """Forgets what was counted: from here on it is about rounds."""
        self._seconds, self._since = {}, perf_counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Counts the time inside towards `name`."""
        start = perf_counter()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + perf_counter() - start

    def lap(self, rest: str) -> dict[str, float]:
        """Seconds since the last lap by phase, with the `total`; what no phase claims is `rest`."""
        now = perf_counter()
        total, self._since = now - self._since, now
        seconds, self._seconds = self._seconds, {}
        return {rest: max(0.0, total - sum(seconds.values())), **seconds, "total": total}
