"""What the driver needs from the outside world, one port each, at most four methods.

A simulation and a deployment differ in what stands behind these ports and in nothing else.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol, runtime_checkable

from fedplat.runtime.client_work import Outcome, Task
from fedplat.types import Digest

Buffer = bytes | memoryview
BlobReader = Callable[[Digest], memoryview]


@runtime_checkable
class EventStore(Protocol):
    """An append-only log of events; the state of a run is a fold over it.

    The version of a log is the number of events in it; the event that took the log from version v
    to v + 1 is event v.
    """

    @property
    def version(self) -> int: ...

    def append(self, events: Sequence[bytes], expected_version: int) -> int:
        """Appends all events or none and returns the new version.

        Guarantees: the events are durable when it returns.
        Raises: StorageError, if the log is not at `expected_version`.
        """

    def read(self, from_version: int = 0) -> Iterator[bytes]:
        """Yields event `from_version` and all after it, in order.

        Raises: StorageError, if the log is shorter than `from_version`.
        """


@runtime_checkable
class StateStore(Protocol):
    """Small named values that outlive a process: what a client remembers between rounds."""

    def put(self, changes: Mapping[str, bytes | None]) -> None:
        """Makes all changes or none; None removes a key.

        Guarantees: the changes are durable when it returns.
        """

    def get(self, key: str) -> bytes | None:
        """The value of `key`, or None where nothing was put."""

    def keys(self) -> list[str]:
        """All keys, in UTF-8 byte order."""


@runtime_checkable
class BlobStore(Protocol):
    """Immutable bytes, named by their SHA-256.  Safe to use from several threads."""

    def put(self, payload: Buffer) -> Digest:
        """Stores `payload`; to store the same bytes again changes nothing.

        Guarantees: the blob is durable when it returns.
        """

    def put_many(self, payloads: Iterable[Buffer]) -> list[Digest]:
        """Stores the payloads one after another and makes them durable together, which is cheaper.

        Guarantees: the blobs are durable when it returns; holds one payload at a time.
        """

    def put_named(self, blobs: Mapping[Digest, Buffer]) -> None:
        """Stores blobs under digests that the caller has just computed, all durable together.

        Guarantees: the blobs are durable when it returns.
        """

    def get(self, digest: Digest) -> memoryview:
        """The bytes of a blob, read-only and without a copy where possible.

        Raises: MissingBlobError, if there is none; StorageError, if the bytes are not those that
        `digest` names.
        """

    def collect(self, keep: AbstractSet[Digest]) -> int:
        """Removes every blob that is not in `keep`; returns the number of bytes freed."""


class PartialBlob(Protocol):
    """A blob on its way in.  A context manager: what has come is kept, however it ends.

    `offset` is how many bytes have come, in this process or an earlier one.
    """

    offset: int

    def __enter__(self) -> "PartialBlob": ...

    def __exit__(self, *_: object) -> None: ...

    def write(self, piece: Buffer) -> None:
        """Takes the next bytes.  Raises: ProtocolError, StorageError."""

    def finish(self) -> None:
        """Makes the blob durable under its digest.

        Raises: ProtocolError, if bytes are missing; CorruptPayloadError, if they are not the
        digest's, and must be sent anew.
        """


@runtime_checkable
class BlobInbox(Protocol):
    """Where blobs arrive piece by piece."""

    def held(self, digest: Digest) -> int | None:
        """The size of the blob, if it is here, whole and durable."""

    def offset(self, digest: Digest) -> int:
        """How many bytes of the blob have come so far."""

    def open(self, digest: Digest, size_bytes: int) -> PartialBlob:
        """Begins, or goes on, with a blob.  Raises: ProtocolError, StorageError."""


@runtime_checkable
class Clock(Protocol):
    """Where time comes from: the machine, or a simulation."""

    def now(self) -> float:
        """Seconds since an origin of the clock's own; never less than the last answer."""


@runtime_checkable
class Executor(Protocol):
    """Who does the clients' work.  Tasks are submitted, then their results asked for in any order.

    `parts` is the number of tasks that run at once; `numerics` names the arithmetic, since only
    executors of one name give equal bits.
    """

    @property
    def parts(self) -> int: ...

    @property
    def name(self) -> str: ...

    @property
    def numerics(self) -> str: ...

    def submit(self, task: Task) -> None: ...

    def result(self, task: Task) -> Outcome:
        """Waits for the outcome of a submitted task and forgets it.

        Raises: TransportError, if a process that was doing the task has died.
        """

    def close(self) -> None: ...
