"""The broadcast that a client works on, and the one before until the next is here whole."""

from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from pathlib import Path

from fedplat.errors import StorageError
from fedplat.runtime.ports import StateStore
from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import Incoming
from fedplat.transports.grpc.blob_client import BlobClient, Held
from fedplat.types import Digest

MAX_BROADCAST_BYTES = 1 << 40
LAST = "broadcast"  # the key under which the last one is remembered

Move = Callable[[BlobClient], int]


class Broadcasts:
    """Fetches broadcasts into `blobs`; what is equal in the last one does not travel again.

    `states` remembers which was the last, beyond the process.
    """

    def __init__(self, blobs: FileBlobs, incoming: Incoming, states: StateStore) -> None:
        self._blobs, self._incoming, self._states = blobs, incoming, states

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
            return Held(digest, self._blobs.get(digest)) if digest else None
        except StorageError:
            return None  # it is not here any more, or was damaged
