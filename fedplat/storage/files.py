"""Blobs as files: `aa/<sha256>`, written whole or not at all, mapped when read."""

import errno
import mmap
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Lock

from fedplat.errors import MissingBlobError, StorageError
from fedplat.params import digest_of
from fedplat.runtime.ports import Buffer
from fedplat.storage.holds import Holds
from fedplat.types import Digest

PART = ".part"  # a file that is still being written, or was when its process was killed
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
Signature = tuple[int, int, int]
Later = Callable[[Callable[[], None]], object]


def _now(job: Callable[[], None]) -> None:
    job()


class FileBlobs:
    """A `BlobStore` in the folder `root`, which is made if it is not there.

    A blob is written beside its place, flushed to the disk, renamed, and its folder flushed: after
    a crash it is whole or absent.  What a file holds is compared with its name when this object
    reads it first, and again whenever the file's size or time has changed since.  What is collected
    is out of the store at once; `later` is given the rest of the work, which takes a disk longer.

    Raises: StorageError, if the folder can not be made or used.
    """

    def __init__(self, root: Path, later: Later = _now) -> None:
        self._root, self._later = root, later
        self._known: dict[Digest, Signature] = {}
        self._unflushed: dict[Digest, list[Path]] = {}  # folders of what has just got its name
        self._lock = Lock()
        self.in_use = Holds()
        with told(root):
            root.mkdir(parents=True, exist_ok=True)
            self._sizes = {Digest(one.name): one.stat().st_size for one in root.glob("??/*")}
            self._lasting = set(root.glob("??"))
        self._total = sum(self._sizes.values())

    @property
    def size_bytes(self) -> int:
        """What all blobs take, counted as they come and go."""
        return self._total

    def size_of(self, digest: Digest) -> int:
        """What the blob takes; 0, if it is not here."""
        return self._sizes.get(digest, 0)

    def digests(self) -> frozenset[Digest]:
        """The blobs that are here."""
        with self._lock:
            return frozenset(self._sizes)

    def put(self, payload: Buffer) -> Digest:
        return self.put_many([payload])[0]

    def put_many(self, payloads: Iterable[Buffer]) -> list[Digest]:
        digests: list[Digest] = []
        named = ((digest_of(one), one) for one in payloads)
        self._put(named, digests.append)
        return digests

    def put_named(self, blobs: Mapping[Digest, Buffer]) -> None:
        self._put(blobs.items(), lambda digest: None)

    def _put(self, blobs: Iterable[tuple[Digest, Buffer]], taken: Callable[[Digest], None]) -> None:
        written: dict[Digest, Path] = {}
        folders: list[Path] = []
        with self._lock, told(self._root), _removed(written):
            for digest, payload in blobs:
                taken(digest)
                folders += self._unflushed.get(digest, [])  # it is here, and not yet for ever
                if digest not in written and not self.holds(digest):
                    written[digest] = self._write(payload)
            for part in written.values():
                _flush_file(part)
            self._flush([*folders, *self._name(written)])

    def adopt(self, digest: Digest, part: Path) -> None:
        """Takes the file `part`, whose bytes the caller has just hashed and flushed, as a blob.

        Guarantees: the blob is durable when it returns, and `part` is gone.  Others that are
        adopted in the same moment are flushed beside it, not one after another.
        """
        with told(part):
            with self._lock:
                folders = self._name({digest: part})
                self._unflushed[digest] = folders
            try:
                self._flush(folders)
            finally:
                with self._lock:
                    self._unflushed.pop(digest, None)

    def get(self, digest: Digest) -> memoryview:
        path = self.path(digest)
        with told(path):
            try:
                file = path.open("rb")
            except FileNotFoundError:
                raise MissingBlobError(where=str(self._root), digest=digest) from None
            with file:
                status = os.fstat(file.fileno())
                size = status.st_size
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        view = memoryview(content)
        if self._known.get(digest) != _signature(status):
            if digest_of(view) != digest:
                raise _altered(path, size)
            self._known[digest] = _signature(status)
        return view

    def collect(self, keep: AbstractSet[Digest]) -> int:
        """As in `BlobStore`; what is `in_use` stays too."""
        with self._lock, told(self._root):
            aside = list(self._root.glob(f"*{PART}"))
            stay = keep | self.in_use.held()
            gone = [digest for digest in self._sizes if digest not in stay]
            freed = sum(self._sizes[digest] for digest in gone)
            aside += [self._set_aside(digest) for digest in gone]
        self._later(partial(_unlink, aside))
        return freed

    def _set_aside(self, digest: Digest) -> Path:
        """Takes a blob's name from its file, which is a left-over from then on."""
        self._known.pop(digest, None)
        self._count(digest, None)
        aside = self._root / f"{digest}{PART}"
        with suppress(FileNotFoundError):  # somebody else has removed it
            self.path(digest).replace(aside)
        return aside

    def path(self, digest: Digest) -> Path:
        """Where the blob lies, or would."""
        return self._root / digest[:2] / digest

    def holds(self, digest: Digest) -> bool:
        """Whether the file is there and whole; one that is not is written anew."""
        try:
            self.get(digest)
        except StorageError:
            return False
        return True

    def _write(self, payload: Buffer) -> Path:
        handle, name = tempfile.mkstemp(suffix=PART, dir=self._root)
        try:
            with told(self._root, len(payload)), os.fdopen(handle, "wb") as file:
                file.write(payload)
        except StorageError:
            Path(name).unlink(missing_ok=True)  # it takes room that is needed
            raise
        return Path(name)

    def _count(self, digest: Digest, size_bytes: int | None) -> None:
        """Takes note of what a blob takes; None: it is gone."""
        self._total -= self._sizes.pop(digest, 0)
        if size_bytes is not None:
            self._sizes[digest] = size_bytes
            self._total += size_bytes

    def _name(self, written: Mapping[Digest, Path]) -> list[Path]:
        """Gives flushed files their names; returns the folders that are to be flushed."""
        folders = {self.path(digest).parent for digest in written}
        is_new = any(one not in self._lasting or not one.exists() for one in folders)
        for digest, part in written.items():
            path = self.path(digest)
            path.parent.mkdir(exist_ok=True)
            part.replace(path)
            status = path.stat()
            self._known[digest] = _signature(status)
            self._count(digest, status.st_size)
        return [*sorted(folders), *([self._root] if is_new else [])]

    def _flush(self, folders: Sequence[Path]) -> None:
        """Makes the names in the folders durable; from then on, these folders last."""
        for folder in folders:
            _flush_folder(folder)
        self._lasting.update(folders)


@contextmanager
def _removed(written: Mapping[Digest, Path]) -> Iterator[None]:
    """Removes what was written and has not got its name, however the block ends."""
    try:
        yield
    finally:
        for part in written.values():
            part.unlink(missing_ok=True)


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        with told(path):
            path.unlink(missing_ok=True)


def _signature(status: os.stat_result) -> Signature:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _flush_file(part: Path) -> None:
    with part.open("rb") as file, told(part, os.fstat(file.fileno()).st_size):
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _altered(path: Path, size: int) -> StorageError:
    return StorageError(
        where=str(path),
        reason=f"the {size} bytes are not the ones that the name says: the file was cut off or "
        "changed; restore it from a copy, or delete it and resume from an earlier round",
    )


@contextmanager
def told(path: Path, size_bytes: int = 0) -> Iterator[None]:
    """Turns what the operating system refuses into a StorageError about `path`.

    `size_bytes` were to be written; a full disk is told with how many are missing.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL and size_bytes:
            free = shutil.disk_usage(path if path.is_dir() else path.parent).free
            reason = f"{error.strerror}: {size_bytes} bytes are to be written, {free} are free"
            reason += f", {max(0, size_bytes - free)} are missing; free some disk space"
        else:
            reason = f"{error.strerror}; check the disk's free space and the folder's permissions"
        raise StorageError(where=str(error.filename or path), reason=reason) from error
