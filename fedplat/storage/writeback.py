"""Has the system begin to write a file's bytes, so that a later fsync has less to wait for."""

import ctypes
import ctypes.util
import sys
from collections.abc import Callable

_WRITE = 2  # SYNC_FILE_RANGE_WRITE: begins, and neither waits nor touches the journal


def _find() -> Callable[..., int] | None:
    """The system's call; None, where there is none (it is Linux's)."""
    if not sys.platform.startswith("linux"):
        return None
    call = getattr(ctypes.CDLL(ctypes.util.find_library("c")), "sync_file_range", None)
    if call is None:
        return None
    call.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return call  # type: ignore[no-any-return]


_SYNC_FILE_RANGE = _find()


def begin(file: int, start: int, size_bytes: int) -> None:
    """Begins to write bytes of an open file to its disk.

    Promises nothing: what is durable, and what the disk refused, an fsync of the same file says.
    """
    if _SYNC_FILE_RANGE is not None:
        _SYNC_FILE_RANGE(file, start, size_bytes, _WRITE)
