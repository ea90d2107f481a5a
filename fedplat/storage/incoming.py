"""Blobs that arrive piece by piece: what has come survives the process, and the rest follows."""

import hashlib
import shutil
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from queue import SimpleQueue
from threading import BoundedSemaphore, Lock, Thread

from fedplat.errors import CorruptPayloadError, ProtocolError, StorageError
from fedplat.runtime.ports import Buffer
from fedplat.storage.files import PART, FileBlobs, told
from fedplat.types import Digest

PIECE_BYTES = 1 << 20
AHEAD = 16  # pieces that may wait to be hashed: what is held in memory of one blob


class Incoming:
    """Takes blobs in pieces and hands each to `blobs` once it is whole and what it is called.

    A blob in progress is a file in `folder`, which must lie on the disk of `blobs`; its length is
    where its sender goes on, in this process or the next.  Safe to use from several threads.

    Raises: StorageError, if the folder can not be made.
    """

    def __init__(self, blobs: FileBlobs, folder: Path) -> None:
        self._blobs, self._folder = blobs, folder
        self._open: set[Digest] = set()
        self._lock = Lock()
        with told(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def offset(self, digest: Digest) -> int:
        """How many bytes of the blob have come so far."""
        try:
            return self._part(digest).stat().st_size
        except FileNotFoundError:
            return 0

    def open(self, digest: Digest, size_bytes: int) -> "Receiving":
        """Begins, or goes on, with the blob `digest` of `size_bytes` bytes.

        Raises: ProtocolError, if it is being received already; StorageError, if there is not room
        enough for it.
        """
        with self._lock:
            if digest in self._open:
                reason = f"blob {digest} is being received by another transfer; wait for its end"
                raise ProtocolError(reason=reason)
            self._open.add(digest)
        try:
            self._check_room(size_bytes - self.offset(digest))
            return Receiving(self, digest, size_bytes, self._part(digest))
        except StorageError:
            self.close(digest)
            raise

    def close(self, digest: Digest) -> None:
        """Lets others go on with the blob."""
        with self._lock:
            self._open.discard(digest)

    def adopt(self, digest: Digest, part: Path) -> None:
        """Gives the whole blob in `part` its place among the blobs, durably."""
        self._blobs.adopt(digest, part)

    def collect(self, keep: AbstractSet[Digest]) -> int:
        """Removes what was begun, is not going on, and is not in `keep`; gives the bytes freed."""
        freed = 0
        with self._lock, told(self._folder):
            for part in self._folder.glob(f"*{PART}"):
                if Digest(part.stem) not in keep | self._open:
                    freed += part.stat().st_size
                    part.unlink()
        return freed

    def _part(self, digest: Digest) -> Path:
        return self._folder / f"{digest}{PART}"

    def _check_room(self, needed: int) -> None:
        with told(self._folder):
            free = shutil.disk_usage(self._folder).free
        if needed > free:
            reason = f"a blob needs {needed} bytes and {free} are free: {needed - free} are missing"
            raise StorageError(where=str(self._folder), reason=f"{reason}; free some disk space")


class Receiving:
    """One blob on its way in.  A context manager; what has come is kept, however it ends.

    `offset` is where the sender goes on.  Pieces are hashed in a thread of their own, beside the
    writing.
    """

    def __init__(self, incoming: Incoming, digest: Digest, size_bytes: int, part: Path) -> None:
        self._incoming, self._digest, self._size, self._part = incoming, digest, size_bytes, part
        with told(part):
            self._file = part.open("ab", buffering=0)
        self.offset = self._file.tell()
        if self.offset > size_bytes:  # another blob's bytes, or a file that somebody changed
            self._file.truncate(0)
            self.offset = 0
        self._hash = PieceHash()
        for piece in _pieces(part, self.offset):
            self._hash.update(piece)

    def __enter__(self) -> "Receiving":
        return self

    def __exit__(self, *_: object) -> None:
        self._hash.digest()
        self._file.close()
        self._incoming.close(self._digest)

    def write(self, piece: Buffer) -> None:
        """Takes the next bytes.

        Raises: ProtocolError, if they are more than the blob's; StorageError, if the disk refuses.
        """
        if self.offset + len(piece) > self._size:
            reason = f"blob {self._digest} has {self._size} bytes, more of them have come"
            raise ProtocolError(reason=reason)
        self._hash.update(piece)
        with told(self._part):
            rest = memoryview(piece)
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
        self.offset += len(piece)

    def finish(self) -> None:
        """Makes the blob durable under its digest.

        Raises: ProtocolError, if bytes are missing (they can follow later); CorruptPayloadError, if
        the bytes are not the digest's: they are dropped, to be sent anew.
        """
        if self.offset < self._size:
            reason = f"blob {self._digest} ended after {self.offset} of {self._size} bytes"
            raise ProtocolError(reason=f"{reason}; what has come is kept, go on from there")
        found = self._hash.digest()
        if found != self._digest:
            self._part.unlink(missing_ok=True)
            reason = f"the bytes of blob {self._digest} have the digest {found}; send them anew"
            raise CorruptPayloadError(reason=reason)
        self._incoming.adopt(self._digest, self._part)


class PieceHash:
    """SHA-256 over pieces, computed in a thread: hashlib lets other threads run meanwhile."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._room = BoundedSemaphore(AHEAD)
        self._pieces: SimpleQueue[Buffer | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="fedplat-hash", daemon=True)
        self._thread.start()

    def update(self, piece: Buffer) -> None:
        self._room.acquire()
        self._pieces.put(piece)

    def digest(self) -> Digest:
        """The digest of all pieces; none can follow."""
        self._pieces.put(None)
        self._thread.join()
        return Digest(self._sha256.hexdigest())

    def _work(self) -> None:
        while (piece := self._pieces.get()) is not None:
            self._sha256.update(piece)
            self._room.release()


def _pieces(path: Path, size_bytes: int) -> Iterator[bytes]:
    """The first `size_bytes` bytes of a file, in pieces."""
    with told(path), path.open("rb") as file:
        for start in range(0, size_bytes, PIECE_BYTES):
            yield file.read(min(PIECE_BYTES, size_bytes - start))
