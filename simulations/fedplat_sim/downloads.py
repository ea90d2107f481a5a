"""What the clients of a simulation fetch: the bytes that their daemons would."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from fedplat.engine.events import (
    ClientDeclined,
    CoordinatorEvent,
    EvaluationReceived,
    Initialised,
    RoundCommitted,
    UpdateReceived,
)
from fedplat.errors import CorruptPayloadError
from fedplat.params import digest_of
from fedplat.runtime.changes import length
from fedplat.runtime.downlink import Downlink
from fedplat.runtime.ports import BlobStore, Buffer
from fedplat.runtime.server_work import ServerWork
from fedplat.types import ClientId, Digest

Answered = UpdateReceived | EvaluationReceived | ClientDeclined


@dataclass
class Downloads:
    """Counts the bytes of each broadcast that a client fetches.

    Without a downlink codec that is the whole broadcast.  With one, a client has what it was last
    offered, and the first model before that, which it makes itself; it fetches the steps from
    there.  The steps to each new broadcast are taken, and where they lead is checked.
    """

    server: ServerWork
    blobs: BlobStore
    _has: dict[ClientId, Digest] = field(default_factory=dict)
    _sizes: dict[tuple[Digest, Digest], int] = field(default_factory=dict)
    _walked: tuple[Digest, Buffer] | None = None

    def fetched(self, client: ClientId, broadcast: Digest) -> int:
        """The bytes that a client fetches to have `broadcast`.

        Raises: CorruptPayloadError, if the steps to it lead elsewhere.
        """
        payload = self.blobs.get(broadcast)
        if self.server.cargo.downlink is None:
            return len(payload)
        self._walk_to(broadcast, payload)
        return self._lacked(client, broadcast)

    def catch_up(self, past: Iterable[CoordinatorEvent], told: int) -> int:
        """Knows again what clients have, as their answers in a log tell.

        Returns: what those fetched who have answered in rounds after `told`.
        """
        found, size_bytes = dict[int, Digest](), 0
        newest: dict[ClientId, int] = {}
        for event in past:
            if isinstance(event, Initialised):
                found[0] = event.broadcast
            elif isinstance(event, RoundCommitted):
                found[event.round_id] = event.broadcast
            elif isinstance(event, Answered) and not _dropped_out(event):
                version = max(one for one in found if one <= _last_round(event))
                if version >= newest.get(event.client, 0):  # not an answer that came late
                    newest[event.client] = version
                    fetched = self._again(event, found[version])
                    size_bytes += fetched if event.round_id > told else 0
        return size_bytes

    def _again(self, event: Answered, broadcast: Digest) -> int:
        if self.server.cargo.downlink is None:
            is_update = isinstance(event, UpdateReceived)
            return self.server.cargo.broadcast_bytes if is_update else 0
        return self._lacked(event.client, broadcast)

    def _lacked(self, client: ClientId, broadcast: Digest) -> int:
        known = self._has.get(client, self._first[0])
        self._has[client] = broadcast
        if known == broadcast:
            return 0
        if (known, broadcast) not in self._sizes:
            size_bytes = self.server.cargo.broadcast_bytes
            steps, spans = self.server.travelling(known, broadcast, 0, size_bytes)
            self._sizes[known, broadcast] = len(steps) + length(spans)
        return self._sizes[known, broadcast]

    @cached_property
    def _first(self) -> tuple[Digest, Buffer]:
        payload = self.server.cargo.encode_broadcast(self.server.cargo.first)
        return digest_of(payload), payload

    def _walk_to(self, broadcast: Digest, payload: memoryview) -> None:
        known, held = self._walked or self._first
        if known == broadcast:
            return
        self._sizes.clear()  # of the broadcast before
        self._walked = broadcast, payload
        downlink, steps = Downlink.of(self.server.cargo), self.server.ring.between(known, broadcast)
        if downlink is None or not steps:
            return
        beginning = downlink.walked(held, steps)
        digest = hashlib.sha256(beginning)
        digest.update(payload[len(beginning) :])
        if digest.hexdigest() != broadcast:
            raise CorruptPayloadError(
                reason=f"the steps to the broadcast {broadcast} lead elsewhere"
            )


def _dropped_out(event: Answered) -> bool:
    """It never fetched what it was offered."""
    return isinstance(event, ClientDeclined) and event.reason == "dropout"


def _last_round(event: Answered) -> int:
    """The round whose model an answer is about: for training that of the round before."""
    evaluated = isinstance(event, EvaluationReceived)
    evaluated |= isinstance(event, ClientDeclined) and event.task == "evaluate"
    return event.round_id if evaluated else event.round_id - 1
