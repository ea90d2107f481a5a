"""The broadcast that a client works on, and the one before until the next is here whole."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import Any

from fedplat import codecs
from fedplat.errors import StorageError
from fedplat.params import Layout
from fedplat.runtime.downlink import Downlink
from fedplat.runtime.ports import StateStore
from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import Incoming
from fedplat.transports.grpc.blob_client import BlobClient, Held
from fedplat.types import Digest
from fedplat_client import answers

MAX_BROADCAST_BYTES = 1 << 40
LAST = "broadcast"  # the key under which the last one is remembered

Move = Callable[[BlobClient], int]


class Broadcasts:
    """Fetches broadcasts into `blobs`; what is equal in the last one does not travel again.

    Once begun with the scenario's downlink codec, steps from the last one travel instead.
    `states` remembers which was the last, beyond the process.
    """

    def __init__(self, blobs: FileBlobs, incoming: Incoming, states: StateStore) -> None:
        self._blobs, self._incoming, self._states = blobs, incoming, states
        self._downlink: Downlink | None = None

    async def begin(
        self, part: Mapping[str, Any] | None, moved: Layout | None, first: Path
    ) -> None:
        """From now on steps are taken, encoded by the codec `part`; the first ones from `first`.

        Both are of a process that runs the user's code: where steps lead is looked at, so that what
        is wrong costs a whole broadcast and no more.
        Raises: ConfigError, if this version can not decode them.
        """
        if part is None or moved is None:
            return
        self._downlink = Downlink(codecs.build(part), moved)
        if self._last() is None:
            with suppress(ValueError, StorageError):
                payload = await asyncio.to_thread(answers.content, first)
                digest = await asyncio.to_thread(self._blobs.put, payload)
                self._states.put({LAST: digest.encode()})

    async def fetched(
        self,
        digest: Digest,
        moved: Callable[[Move], Awaitable[None]],
        wanted: Callable[[], AbstractSet[Digest]],
    ) -> Path:
        """The file of a broadcast; fetched first by `moved`, if it is not here yet.

        Then everything else goes that is not `wanted`.
        """
        if not self._blobs.holds(digest):
            last = self._last()
            self._blobs.collect(wanted() | ({last.digest} if last else set()))
            self._incoming.collect({digest})
            await moved(lambda data: data.get(digest, MAX_BROADCAST_BYTES, self._incoming, last))
        if self._states.get(LAST) != digest.encode():
            self._states.put({LAST: digest.encode()})
            self._blobs.collect(wanted() | {digest})
        return self._blobs.path(digest)

    def _last(self) -> Held | None:
        digest = Digest((self._states.get(LAST) or b"").decode())
        try:
            walk = None if self._downlink is None else self._downlink.walked
            return Held(digest, self._blobs.get(digest), walk) if digest else None
        except StorageError:
            return None  # it is not here any more, or was damaged
