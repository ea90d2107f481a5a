"""Rebuilds a run from its log and its blobs, and says where they do not agree with themselves."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Literal

from fedplat.engine.commands import Aggregate, Commit
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import Aggregated, CoordinatorEvent, Initialised, RoundCommitted
from fedplat.engine.journal import decode, receipt
from fedplat.engine.plan import Plan
from fedplat.errors import (
    CorruptPayloadError,
    MissingBlobError,
    StorageError,
    VerificationError,
)
from fedplat.params import digest_of
from fedplat.runtime.ports import BlobStore, Buffer
from fedplat.runtime.server_work import ServerWork
from fedplat.types import ClientId, Digest

Verdict = Literal["equal", "different", "not kept"]
STATES = ("broadcast", "kept", "model")
JUDGED = ("influence", "refused", "abandoned")
SHOWN = 60  # characters of a value that a difference quotes


@dataclasses.dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one round; round 0 is the first model.

    "not kept": its updates were freed after the round, and its commit record is as it should be.
    """

    round_id: int
    verdict: Verdict
    updates: int
    model: Digest
    receipt: Digest
    differences: tuple[str, ...] = ()


class Replay:
    """Folds a log into a coordinator's machine, and does what that asks for once more.

    Every aggregate that the machine asks for is computed from the updates and compared with the
    log's; every commit record is compared with the one that the machine would write, which names
    the receipt of the record before.

    Memory: that of the coordinator's own work; nothing is written to `blobs`.
    """

    def __init__(
        self,
        plan: Plan,
        server: Callable[[BlobStore], ServerWork],
        blobs: BlobStore,
    ) -> None:
        self._machine = Coordinator(plan)
        self._blobs = blobs
        self._server = server(_Aside(blobs))
        self._aggregate: Aggregate | None = None
        self._record: RoundCommitted | None = None
        self._found: list[str] = []
        self._rebuilt = False

    def rounds(self, log: Iterable[bytes], only: int | None = None) -> Iterator[Replayed]:
        """Yields what came of each committed round, or of round `only` alone.

        Raises: VerificationError, if an entry of the log can not be read at all.
        """
        for number, entry in enumerate(log):
            event = _decoded(entry, number)
            round_id = getattr(event, "round_id", 0)
            if only is None or only == round_id:
                yield from self._compared(event)
            for command in self._machine.handle(event):
                match command:
                    case Aggregate():
                        self._aggregate = command
                    case Commit(record):
                        self._record = record

    def _compared(self, event: CoordinatorEvent) -> Iterator[Replayed]:
        match event:
            case Initialised() if self._machine.phase == "idle":
                again = self._server.initialise(event.time_s)
                found = tuple(_states(event, again))
                verdict: Verdict = "different" if found else "equal"
                yield Replayed(0, verdict, 0, event.model, Digest(""), found)
            case Aggregated() if self._machine.phase == "aggregating":
                self._found, self._rebuilt = self._aggregated(event)
            case RoundCommitted():
                yield self._committed(event)

    def _aggregated(self, event: Aggregated) -> tuple[list[str], bool]:
        """What is wrong with an aggregate, and whether it could be computed at all."""
        command = self._aggregate
        if command is None or command.round_id != event.round_id:
            return [f"the log aggregates round {event.round_id}, which had not closed"], False
        gone, broken = self._unreadable(command)
        if broken or len(gone) == len(command.updates):
            return broken, False
        if gone:
            return [f"the update of client {client} is missing" for client in gone], False
        try:
            again = self._server.aggregate(command, event.time_s)
        except MissingBlobError:
            return [], False  # the state that the round began from was freed
        except (CorruptPayloadError, StorageError, ValueError) as error:
            return [f"its updates can not be folded: {error}"], False
        return [*_states(event, again), *_judged(event, again)], True

    def _unreadable(self, command: Aggregate) -> tuple[list[ClientId], list[str]]:
        """The clients whose update is not there, and what can not be read though it is."""
        gone: list[ClientId] = []
        broken: list[str] = []
        for client, digest, _ in command.updates:
            try:
                self._blobs.get(digest)
            except MissingBlobError:
                gone.append(client)
            except StorageError as error:
                broken.append(f"the update of client {client}: {error}")
        return gone, broken

    def _committed(self, event: RoundCommitted) -> Replayed:
        found, rebuilt = [*self._found, *self._unreadable_states(event)], self._rebuilt
        if self._record is None or self._record.round_id != event.round_id:
            found.append("the log commits a round of which it has no aggregate")
        else:
            found += _fields(event, self._record)
        self._found, self._rebuilt = [], False
        verdict: Verdict = "different" if found else "equal" if rebuilt else "not kept"
        return Replayed(
            event.round_id, verdict, len(event.accepted), event.model, receipt(event), tuple(found)
        )

    def _unreadable_states(self, event: RoundCommitted) -> Iterator[str]:
        for name, digest in (("broadcast", event.broadcast), ("kept", event.kept)):
            try:
                self._blobs.get(digest)
            except MissingBlobError:
                pass  # freed after the next round
            except StorageError as error:
                yield f"the {name} state: {error}"


class _Aside:
    """A `BlobStore` that reads from another and writes to memory: its last `put_many` only."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._own: dict[Digest, Buffer] = {}

    def put(self, payload: Buffer) -> Digest:
        return self.put_many([payload])[0]

    def put_many(self, payloads: Iterable[Buffer]) -> list[Digest]:
        named = [(digest_of(payload), payload) for payload in payloads]
        self._own = dict(named)
        return [digest for digest, _ in named]

    def put_named(self, blobs: Mapping[Digest, Buffer]) -> None:
        self._own = dict(blobs)

    def get(self, digest: Digest) -> memoryview:
        own = self._own.get(digest)
        return self._blobs.get(digest) if own is None else memoryview(own)

    def collect(self, keep: AbstractSet[Digest]) -> int:
        self._own = {digest: one for digest, one in self._own.items() if digest in keep}
        return 0


def _decoded(entry: bytes, number: int) -> CoordinatorEvent:
    try:
        event: CoordinatorEvent = decode(entry)
    except CorruptPayloadError as error:
        raise VerificationError(where=f"event {number} of the log", reason=str(error)) from error
    return event


def _states(logged: Initialised | Aggregated, again: Initialised | Aggregated) -> Iterator[str]:
    for name in STATES:
        if getattr(logged, name) != getattr(again, name):
            yield (
                f"the {name} state is {getattr(logged, name)} in the log and "
                f"{getattr(again, name)} when it is computed again"
            )


def _judged(logged: Aggregated, again: Aggregated) -> Iterator[str]:
    """What a robust rule said of the round and does not say again."""
    for name in JUDGED:
        was, is_now = getattr(logged, name), getattr(again, name)
        if was != is_now:
            yield (
                f"its {name} is {_short(was)} in the log and {_short(is_now)} when it is computed "
                "again"
            )


def _fields(logged: RoundCommitted, again: RoundCommitted) -> Iterator[str]:
    for field in dataclasses.fields(RoundCommitted):
        was, is_now = getattr(logged, field.name), getattr(again, field.name)
        if was == is_now:
            continue
        if field.name == "previous":
            yield f"the chain is broken: it names the receipt {was}, the record before has {is_now}"
        else:
            yield (
                f"the commit's {field.name} is {_short(was)}, "
                f"the events before it give {_short(is_now)}"
            )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
