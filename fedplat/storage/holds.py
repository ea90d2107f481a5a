"""Which blobs are in use: as often as one is held, it must be let go before it may be removed."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from fedplat.types import Digest


class Holds:
    """Counts the holds on blobs.  Safe to use from several threads."""

    def __init__(self) -> None:
        self._counts: Counter[Digest] = Counter()
        self._lock = Lock()

    def hold(self, digest: Digest) -> None:
        """Keeps the blob, here or not yet here, until it has been released as often."""
        with self._lock:
            self._counts[digest] += 1

    def release(self, digest: Digest) -> None:
        """Takes one hold back.  Raises: ValueError, if there is none."""
        with self._lock:
            if not self._counts[digest]:
                del self._counts[digest]
                raise ValueError(f"blob {digest} is not held")
            self._counts[digest] -= 1
            if not self._counts[digest]:
                del self._counts[digest]

    @contextmanager
    def holding(self, digest: Digest) -> Iterator[None]:
        """Holds the blob while the block runs."""
        self.hold(digest)
        try:
            yield
        finally:
            self.release(digest)

    def held(self) -> frozenset[Digest]:
        """All blobs that are held."""
        with self._lock:
            return frozenset(self._counts)
