"""What a process leaves behind when it dies: stores in memory, with crash points around them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from fedplat.runtime.ports import Buffer
from fedplat.storage.memory import MemoryBlobs, MemoryEvents, MemoryStates
from fedplat.types import Digest

Point = Callable[[str], None]  # may raise Crashed


@dataclass
class Disk:
    """The three stores of a process.  They outlive it; `lose` drops what was not durable."""

    events: "CrashableEvents"
    blobs: "CrashableBlobs"
    states: "CrashableStates"

    def lose(self) -> None:
        for store in (self.events, self.blobs, self.states):
            store.lose()


@dataclass
class CrashableEvents:
    """An `EventStore` whose writer can die before an append, or right after it.

    `durable` is what outlives the process: everything that was appended.
    """

    point: Point
    durable: MemoryEvents = field(default_factory=MemoryEvents)

    @property
    def version(self) -> int:
        return self.durable.version

    def append(self, events: Sequence[bytes], expected_version: int) -> int:
        self.point("before an append")
        version = self.durable.append(events, expected_version)
        self.point("after an append")
        return version

    def read(self, from_version: int = 0) -> Iterator[bytes]:
        return self.durable.read(from_version)

    def lose(self) -> None:
        """Nothing: every append was durable when it returned."""


@dataclass
class CrashableBlobs:
    """A `BlobStore` whose writer can die before a blob is written, or right after."""

    point: Point
    durable: MemoryBlobs = field(default_factory=MemoryBlobs)

    def put(self, payload: Buffer) -> Digest:
        self.point("before a blob")
        digest = self.durable.put(payload)
        self.point("after a blob")
        return digest

    def put_many(self, payloads: Iterable[Buffer]) -> list[Digest]:
        return [self.put(payload) for payload in payloads]

    def put_named(self, blobs: Mapping[Digest, Buffer]) -> None:
        for payload in blobs.values():
            self.put(payload)

    def get(self, digest: Digest) -> memoryview:
        return self.durable.get(digest)

    def collect(self, keep: AbstractSet[Digest]) -> int:
        return self.durable.collect(keep)

    def lose(self) -> None:
        """Nothing: every blob was durable when its put returned."""


@dataclass
class CrashableStates:
    """A `StateStore` whose writer can die before a change, or right after."""

    point: Point
    durable: MemoryStates = field(default_factory=MemoryStates)

    def put(self, changes: Mapping[str, bytes | None]) -> None:
        self.point("before a state")
        self.durable.put(changes)
        self.point("after a state")

    def get(self, key: str) -> bytes | None:
        return self.durable.get(key)

    def keys(self) -> list[str]:
        return self.durable.keys()

    def lose(self) -> None:
        """Nothing: every change was durable when it returned."""
