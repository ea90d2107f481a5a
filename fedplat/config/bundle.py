"""A project bundle: the user's training code as one archive that is the same bytes everywhere.

A ZIP archive without compression: names sorted, times, modes and owners fixed.  Whoever reads one
makes it again of what it holds and compares, so that nothing can hide in it.
"""

import hashlib
import io
import os
import stat
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from fedplat.errors import DataError
from fedplat.types import Digest

APP, SUFFIX = "app.py", ".zip"
MAX_BYTES, MAX_FILES = 64 << 20, 2000
MAX_NAME_BYTES = 200  # below what any file system takes
MADE = (1980, 1, 1, 0, 0, 0)  # the earliest time that the format knows
UNIX, MODE = 3, (stat.S_IFREG | 0o644) << 16
LEFT_OUT = ("__pycache__",)
REMEDY = "make it by `fedplat bundle make`"

Files = Mapping[str, bytes]


def collect(path: Path) -> Files:
    """The files of a bundle of `path`: an app.py, or a folder with one in it.

    Left out are hidden files and folders, and Python's caches.

    Raises: DataError, if there is no app.py, a file can not be read or is no plain file, or all
    together are too large.
    """
    if path.is_file() and not path.is_symlink():
        files = {APP: _read(path)}
    else:
        files = {name: _read(file) for name, file in _inside(path)}
    if APP not in files:
        reason = f"holds no {APP}; name that file, or the folder in which it is"
        raise DataError(where=str(path), reason=reason)
    _check(files, str(path))
    return files


def read(path: Path) -> bytes:
    """The bytes of an archive.  Raises: DataError, if it can not be read or is too large."""
    return _read(path)


def pack(files: Files) -> bytes:
    """The archive of these files.

    Guarantees: the same files give the same bytes, on every machine and in every order.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files, key=str.encode):
            entry = zipfile.ZipInfo(name, MADE)
            entry.create_system, entry.external_attr = UNIX, MODE
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def unpack(content: bytes, where: str) -> Files:
    """The files of an archive that a stranger may have made.

    Raises: DataError, if it is not byte for byte what `pack` makes of them, or too large.
    """
    if len(content) > MAX_BYTES:
        raise DataError(where=where, reason=f"is larger than {MAX_BYTES >> 20} MiB")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
            if not stored or sum(entry.file_size for entry in entries) > len(content):
                raise DataError(where=where, reason=f"is compressed or overlaps; {REMEDY}")
            files = {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, ValueError, EOFError, RuntimeError, OSError) as error:
        raise DataError(where=where, reason=f"is no bundle ({error}); {REMEDY}") from error
    _check(files, where)
    if APP not in files or pack(files) != content:
        raise DataError(where=where, reason=f"is not as fedplat makes a bundle; {REMEDY}")
    return files


def extract(files: Files, folder: Path) -> Path:
    """Writes the files into `folder`, which is made; the path of its app.py."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / APP


def keep(content: bytes | memoryview, path: Path) -> None:
    """Writes an archive, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)


def digest(content: bytes) -> Digest:
    """What a bundle is named by."""
    return Digest(hashlib.sha256(content).hexdigest())


def _inside(folder: Path) -> Iterator[tuple[str, Path]]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if one[0] != "." and one not in LEFT_OUT)
        for one in (*folders, *names):
            if (Path(root) / one).is_symlink():
                reason = "is a link; a bundle holds plain files only, copy what it points to"
                raise DataError(where=str(Path(root) / one), reason=reason)
        for one in names:
            if one[0] != "." and not one.endswith(".pyc"):
                path = Path(root) / one
                yield path.relative_to(folder).as_posix(), path


def _read(path: Path) -> bytes:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
            reason = f"is no plain file of at most {MAX_BYTES >> 20} MiB"
            raise DataError(where=str(path), reason=reason)
        return path.read_bytes()
    except OSError as error:
        raise DataError(where=str(path), reason=f"can not be read ({error.strerror})") from error


def _check(files: Files, where: str) -> None:
    """Raises: DataError, if the files are too many or too large, or a name leaves the bundle."""
    if len(files) > MAX_FILES or sum(map(len, files.values())) > MAX_BYTES:
        reason = (
            f"has more than {MAX_FILES} files or {MAX_BYTES >> 20} MiB; leave out what is no code"
        )
        raise DataError(where=where, reason=reason)
    for name in files:
        if not _is_portable(name):
            raise DataError(
                where=where, reason=f"holds the name {name[:80]!r}, which is not portable"
            )
    _check_together(files, where)


def _is_portable(name: str) -> bool:
    """Whether every file system takes the name, and none leads out of the bundle by it."""
    parts = PurePosixPath(name).parts
    plain = name.isprintable() and not set(name) & set('\\:"<>|?*')
    inside = "/".join(parts) == name and not name.startswith("/") and ".." not in parts
    short = 0 < len(name.encode()) <= MAX_NAME_BYTES
    return plain and inside and short and not any(part[-1] in ". " for part in parts)


def _check_together(files: Files, where: str) -> None:
    """Raises: DataError, if two names can be one, or a file stands where a folder has to."""
    same = {unicodedata.normalize("NFC", name.casefold()) for name in files}
    if len(same) != len(files):
        reason = "holds names that differ in their case alone, or in how accents are written"
        raise DataError(where=where, reason=reason)
    folders = {str(folder) for name in same for folder in PurePosixPath(name).parents}
    if clash := same & folders:
        raise DataError(where=where, reason=f"holds {min(clash)!r} as a file and as a folder")
