"""Stores that live as long as the process: for tests, sweeps and measurements."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from threading import Lock

from fedplat.errors import MissingBlobError, StorageError
from fedplat.params import digest_of
from fedplat.runtime.ports import Buffer
from fedplat.storage.holds import Holds
from fedplat.types import Digest

WHERE = "memory"


class MemoryEvents:
    """An `EventStore` in memory."""

    def __init__(self) -> None:
        self._events: list[bytes] = []
        self._lock = Lock()

    @property
    def version(self) -> int:
        return len(self._events)

    def append(self, events: Sequence[bytes], expected_version: int) -> int:
        with self._lock:
            if expected_version != len(self._events):
                raise version_conflict(WHERE, len(self._events), expected_version)
            self._events.extend([bytes(memoryview(event)) for event in events])
            return len(self._events)

    def read(self, from_version: int = 0) -> Iterator[bytes]:
        events = self._events[: self.version]
        if not 0 <= from_version <= len(events):
            raise beyond_the_log(WHERE, len(events), from_version)
        return iter(events[from_version:])


class MemoryStates:
    """A `StateStore` in memory."""

    def __init__(self) -> None:
        self._states: dict[str, bytes] = {}

    def put(self, changes: Mapping[str, bytes | None]) -> None:
        written = {k: bytes(memoryview(v)) for k, v in changes.items() if v is not None}
        self._states.update(written)
        for key in changes.keys() - written.keys():
            self._states.pop(key, None)

    def get(self, key: str) -> bytes | None:
        return self._states.get(key)

    def keys(self) -> list[str]:
        return sorted(self._states, key=str.encode)


class MemoryBlobs:
    """A `BlobStore` in memory.  A blob that is put as `bytes` is kept without a copy."""

    def __init__(self) -> None:
        self._blobs: dict[Digest, bytes] = {}
        self.in_use = Holds()

    @property
    def size_bytes(self) -> int:
        """What all blobs take."""
        return sum(map(len, self._blobs.values()))

    def digests(self) -> frozenset[Digest]:
        """The blobs that are here."""
        return frozenset(self._blobs)

    def put(self, payload: Buffer) -> Digest:
        digest = digest_of(payload)
        self._blobs.setdefault(digest, bytes(payload))
        return digest

    def put_many(self, payloads: Iterable[Buffer]) -> list[Digest]:
        return [self.put(payload) for payload in payloads]

    def put_named(self, blobs: Mapping[Digest, Buffer]) -> None:
        for digest, payload in blobs.items():
            self._blobs.setdefault(digest, bytes(payload))

    def get(self, digest: Digest) -> memoryview:
        try:
            return memoryview(self._blobs[digest])
        except KeyError:
            raise MissingBlobError(where=WHERE, digest=digest) from None

    def collect(self, keep: AbstractSet[Digest]) -> int:
        """As in `BlobStore`; what is `in_use` stays too."""
        dropped = self._blobs.keys() - keep - self.in_use.held()
        return sum(len(self._blobs.pop(digest)) for digest in dropped)


def version_conflict(where: str, version: int, expected: int) -> StorageError:
    """The error of an append to another version than the log's."""
    return StorageError(
        where=where,
        reason=f"the log is at version {version}, the writer expected {expected}: "
        "somebody else wrote to it; read the log again before appending",
    )


def beyond_the_log(where: str, version: int, asked: int) -> StorageError:
    """The error of a read from a version that the log does not have."""
    return StorageError(
        where=where,
        reason=f"the log is at version {version}, it can not be read from {asked}",
    )
