"""The coordinator's process as the operating system sees it: its memory, its open files."""

import ctypes
import resource

TRIM, MMAP, ARENAS = -1, -3, -8  # mallopt's names for them, in glibc's malloc.h
LARGE_BYTES = 256 << 10  # smaller than a frame of a blob


def give_memory_back() -> bool:
    """Has freed frames go back to the system at once, instead of staying with the thread that had
    them; False where the C library has no such setting.

    Without it a hundred uploads leave several times the memory behind that they need at a time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((MMAP, LARGE_BYTES), (TRIM, LARGE_BYTES), (ARENAS, 2))
    return all(mallopt(name, value) == 1 for name, value in settings)


def trim() -> None:
    """Gives back what is free between what is in use; nothing, where the C library can not.

    gRPC takes TLS apart in pieces of 8 kB: one that lives on keeps all of those below it.
    Milliseconds: for after a large upload, not for after a message.
    """
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


def allow_open_files() -> int:
    """Raises the process's own limit of open files to what the system lets it have; returns it.

    Each session is one: the usual limit of 1,024 is less than a thousand clients need.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most
