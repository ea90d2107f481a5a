"""Updates on their way to the blob store: named at once, written together."""

from fedplat.runtime.ports import BlobStore
from fedplat.types import Digest

LIMIT_BYTES = 64 << 20


class Spool:
    """Collects blobs so that one `sync` makes many of them durable.

    Memory: at most `limit_bytes` and one blob; beyond that it writes by itself.
    """

    def __init__(self, blobs: BlobStore, limit_bytes: int = LIMIT_BYTES) -> None:
        self._blobs, self._limit_bytes = blobs, limit_bytes
        self._waiting: dict[Digest, bytes] = {}
        self._size_bytes = 0

    def add(self, digest: Digest, payload: bytes) -> None:
        """Takes a blob, whose digest somebody has just computed; it is durable after `sync`."""
        if digest not in self._waiting:
            self._waiting[digest] = payload
            self._size_bytes += len(payload)
        if self._size_bytes > self._limit_bytes:
            self.sync()

    def peek(self, digest: Digest) -> memoryview:
        """The bytes of a blob, durable or not yet.

        Raises: MissingBlobError, if there is none.
        """
        waiting = self._waiting.get(digest)
        return memoryview(waiting) if waiting is not None else self._blobs.get(digest)

    def sync(self) -> None:
        """Makes everything durable that was added."""
        if self._waiting:
            self._blobs.put_named(self._waiting)
            self._waiting.clear()
            self._size_bytes = 0
