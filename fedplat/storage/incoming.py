"""Blobs that arrive piece by piece: what has come survives the process, and the rest follows."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from queue import SimpleQueue
from threading import BoundedSemaphore, Lock, Thread

from fedplat.errors import CorruptPayloadError, ProtocolError, StorageError
from fedplat.runtime.ports import Buffer
from fedplat.storage import writeback
from fedplat.storage.files import PART, FileBlobs, told
from fedplat.types import Digest

PIECE_BYTES = 1 << 20
AT_ONCE_BYTES = 8 << 20  # so much of a blob on its way in the disk is asked to write at a time
AHEAD = 4  # pieces that may wait to be hashed: what is held in memory of one blob
ADVICE = "free some disk space: what has come is kept, the rest can follow"


def free_bytes(folder: Path) -> int:
    """The room on the disk of `folder`."""
    return shutil.disk_usage(folder).free


class Incoming:
    """Takes blobs in pieces and hands each to `blobs` once it is whole and what it is called.

    A blob in progress is a file in `folder`, which must lie on the disk of `blobs`; its length is
    where its sender goes on, in this process or the next.  A blob is begun only if there is room
    for it beside what is still to come of the others, on the disk (`free` tells its room) and in
    the quota, which `blobs` and what has come so far count for.  A blob that has come is in use
    until the next `sweep`: who sent it can say by then what it is for.  So are, in the beginning,
    the blobs that are there.  Safe to use from several threads.

    Raises: StorageError, if the folder can not be made.
    """

    def __init__(
        self,
        blobs: FileBlobs,
        folder: Path,
        free: Callable[[Path], int] = free_bytes,
        quota_bytes: int | None = None,
    ) -> None:
        self._blobs, self._folder, self._free = blobs, folder, free
        self._quota = quota_bytes
        self._open: dict[Digest, Receiving | None] = {}
        self._lock = Lock()
        self._swept: dict[str, int] = {}
        self._due: dict[Digest, int] = {}  # the whole size of what is on its way
        self._arrived = set(blobs.digests())
        for digest in self._arrived:
            blobs.in_use.hold(digest)
        with told(folder):
            folder.mkdir(parents=True, exist_ok=True)
            parts = list(folder.glob(f"*{PART}"))
            self._parts = {Digest(one.stem): one.stat().st_size for one in parts}

    def held(self, digest: Digest) -> int | None:
        """The size of the blob, if it is among the blobs already, whole and durable."""
        with self._lock:
            if digest in self._open:  # its file may have its name already, and not yet for ever
                return None
        try:
            return len(self._blobs.get(digest))
        except StorageError:
            return None

    def offset(self, digest: Digest) -> int:
        """How many bytes of the blob have come so far."""
        part = self._part(digest)
        with told(part):
            return part.stat().st_size if part.exists() else 0

    def open(self, digest: Digest, size_bytes: int) -> "Receiving":
        """Begins, or goes on, with the blob `digest` of `size_bytes` bytes.

        Raises: ProtocolError, if it is being received already; StorageError, if there is not room
        enough for it.
        """
        with self._lock:
            if digest in self._open:
                reason = f"blob {digest} is being received by another transfer; wait for its end"
                raise ProtocolError(reason=reason)
            self._check_room(size_bytes - self.offset(digest))
            self._check_quota(digest, size_bytes)
            self._open[digest], self._due[digest] = None, size_bytes
        try:
            receiving = Receiving(self, digest, size_bytes, self._part(digest))
        except StorageError:
            self.close(digest)
            raise
        with self._lock:
            self._open[digest] = receiving
        return receiving

    def close(self, digest: Digest) -> None:
        """Lets others go on with the blob."""
        come = self.offset(digest)
        with self._lock:
            self._open.pop(digest, None)
            self._due.pop(digest, None)
            self._parts.pop(digest, None)
            if come:
                self._parts[digest] = come

    def adopt(self, digest: Digest, part: Path) -> None:
        """Gives the whole blob in `part` its place among the blobs, durably."""
        with self._lock:
            if digest not in self._arrived:
                self._blobs.in_use.hold(digest)
                self._arrived.add(digest)
        self._blobs.adopt(digest, part)
        with self._lock:
            self._due.pop(digest, None)

    def collect(self, keep: AbstractSet[Digest]) -> int:
        """Removes what was begun, is not going on, and is not in `keep`; gives the bytes freed.

        Lets go of the blobs that have come.
        """
        with self._lock, told(self._folder):
            while self._arrived:
                self._blobs.in_use.release(self._arrived.pop())
            freed = 0
            for part in self._folder.glob(f"*{PART}"):
                digest = Digest(part.stem)
                if digest not in keep | self._open.keys():
                    freed += part.stat().st_size
                    part.unlink()
                    self._parts.pop(digest, None)
        return freed

    def sweep(self) -> int:
        """Removes what is not going on and has not grown since the last sweep; as `collect`."""
        with self._lock, told(self._folder):
            sizes = {one.stem: one.stat().st_size for one in self._folder.glob(f"*{PART}")}
        grown = {Digest(name) for name, size in sizes.items() if self._swept.get(name) != size}
        self._swept = sizes
        return self.collect(grown)

    def _part(self, digest: Digest) -> Path:
        return self._folder / f"{digest}{PART}"

    def missing(self, needed: int) -> int:
        """How many bytes too few are free for `needed` of them."""
        with told(self._folder):
            return max(0, needed - self._free(self._folder))

    def _check_quota(self, digest: Digest, size_bytes: int) -> None:
        if self._quota is None:
            return
        begun = sum(size for one, size in self._parts.items() if one not in {digest, *self._due})
        kept = self._blobs.size_bytes - self._blobs.size_of(digest)  # a damaged one is replaced
        taken = kept + begun + sum(self._due.values())
        if missing := max(0, taken + size_bytes - self._quota):
            reason = f"a blob needs {size_bytes} bytes; {taken} of the quota's {self._quota} are "
            reason += f"taken: {missing} are missing; it can come once a round has been committed"
            raise StorageError(
                where=str(self._folder), reason=f"{reason}, or raise `spool_quota_gb`"
            )

    def _check_room(self, needed: int) -> None:
        due = sum(one.size_bytes - one.offset for one in self._open.values() if one is not None)
        if missing := self.missing(max(0, needed) + due):
            reason = f"a blob needs {needed} bytes"
            also = f" beside {due} that are due to others" if due else ""
            reason = f"{reason}{also}: {missing} are missing on the disk; {ADVICE}"
            raise StorageError(where=str(self._folder), reason=reason)


class Receiving:
    """One blob on its way in.  A context manager; what has come is kept, however it ends.

    `offset` is where the sender goes on.  The pieces of a large blob are hashed in a thread of
    their own, and the disk begins to write it while it comes: its end does not wait for all of it.
    """

    def __init__(self, incoming: Incoming, digest: Digest, size_bytes: int, part: Path) -> None:
        self.size_bytes = size_bytes
        self._incoming, self._digest, self._part = incoming, digest, part
        with told(part):
            self._file = part.open("ab", buffering=0)
        self._hash = PieceHash()
        try:
            self.offset = self._begun = self._begin()
        except StorageError:
            self._end()
            raise

    def __enter__(self) -> "Receiving":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._incoming.close(self._digest)

    def write(self, piece: Buffer) -> None:
        """Takes the next bytes.

        Raises: ProtocolError, if they are more than the blob's; StorageError, if the disk refuses.
        """
        if self.offset + len(piece) > self.size_bytes:
            reason = f"blob {self._digest} has {self.size_bytes} bytes, more of them have come"
            raise ProtocolError(reason=reason)
        self._hash.update(piece)
        rest = memoryview(piece)
        while rest:
            written = self._write(rest)
            self.offset += written
            rest = rest[written:]
        if self.offset - self._begun >= AT_ONCE_BYTES:
            writeback.begin(self._file.fileno(), self._begun, self.offset - self._begun)
            self._begun = self.offset

    def finish(self) -> None:
        """Makes the blob durable under its digest.

        Raises: ProtocolError, if bytes are missing (they can follow later); CorruptPayloadError, if
        the bytes are not the digest's: they are dropped, to be sent anew.
        """
        if self.offset < self.size_bytes:
            reason = f"blob {self._digest} ended after {self.offset} of {self.size_bytes} bytes"
            raise ProtocolError(reason=f"{reason}; what has come is kept, go on from there")
        with told(self._part, self.size_bytes):
            os.fsync(self._file.fileno())  # beside the hashing; `adopt` relies on it
        found = self._hash.digest()
        if found != self._digest:
            self._part.unlink(missing_ok=True)
            reason = f"the bytes of blob {self._digest} have the digest {found}; send them anew"
            raise CorruptPayloadError(reason=reason)
        self._incoming.adopt(self._digest, self._part)

    def _begin(self) -> int:
        """Hashes what has come before; gives how much it is."""
        with told(self._part):
            offset = self._file.tell()
            if offset > self.size_bytes:  # a file that somebody changed
                self._file.truncate(0)
                return 0
        for piece in _pieces(self._part, offset):
            self._hash.update(piece)
        return offset

    def _write(self, rest: memoryview) -> int:
        try:
            return self._file.write(rest) or 0
        except OSError as error:
            left = self.size_bytes - self.offset
            missing = self._incoming.missing(left)
            room = f"{missing} are missing on the disk" if missing else "the disk takes no more"
            reason = (
                f"{error.strerror}: {left} of {self.size_bytes} bytes are still to come, {room}"
            )
            raise StorageError(where=str(self._part), reason=f"{reason}; {ADVICE}") from error

    def _end(self) -> None:
        self._hash.digest()
        self._file.close()


class PieceHash:
    """SHA-256 over pieces, computed in a thread: hashlib lets other threads run meanwhile.

    The thread begins with the second piece; one that is alone is hashed when the digest is asked
    for, where a thread would cost more than it saves.
    """

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._room = BoundedSemaphore(AHEAD)
        self._pieces: SimpleQueue[Buffer | None] = SimpleQueue()
        self._waiting: Buffer = b""
        self._thread: Thread | None = None

    def update(self, piece: Buffer) -> None:
        waiting, self._waiting = self._waiting, b""
        if self._thread is None and not waiting:
            self._waiting = piece
            return
        if self._thread is None:
            self._thread = Thread(target=self._work, name="fedplat-hash", daemon=True)
            self._thread.start()
            self._hand_over(waiting)
        self._hand_over(piece)

    def digest(self) -> Digest:
        """The digest of all pieces; none can follow."""
        if self._thread is None:
            waiting, self._waiting = self._waiting, b""
            self._sha256.update(waiting)
        else:
            self._pieces.put(None)
            self._thread.join()
        return Digest(self._sha256.hexdigest())

    def _hand_over(self, piece: Buffer) -> None:
        self._room.acquire()
        self._pieces.put(piece)

    def _work(self) -> None:
        while (piece := self._pieces.get()) is not None:
            self._sha256.update(piece)
            self._room.release()


def _pieces(path: Path, size_bytes: int) -> Iterator[bytes]:
    """The first `size_bytes` bytes of a file, in pieces."""
    with told(path), path.open("rb") as file:
        for start in range(0, size_bytes, PIECE_BYTES):
            yield file.read(min(PIECE_BYTES, size_bytes - start))
