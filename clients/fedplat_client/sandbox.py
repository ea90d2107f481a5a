"""Shuts a process in: no network, no file written outside its folder.  Linux, without root.

Landlock confines what is written (and who can be signalled or traced), a seccomp filter refuses
every way to a socket.  Both hold for the calling thread and all that comes of it, so a process
calls `confine` before it imports anything that starts threads; neither can be taken back.
Source: Linux, Documentation/userspace-api/{landlock,seccomp_filter,no_new_privs}.rst
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

NO_NEW_PRIVS, SET_SECCOMP, FILTER = 38, 22, 2  # of prctl
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # Landlock's system calls, on every machine
ASK_VERSION, PATH_BENEATH = 1, 1
WRITES = (1 << 1) | sum(1 << bit for bit in range(4, 13))  # write, remove and make, of every kind
REFER, TRUNCATE = 1 << 13, 1 << 14  # rename across folders, since ABI 2; cut, since ABI 3
WRITE_FILE = 1 << 1
SCOPES, SCOPED_ABI = 0b11, 6  # abstract sockets and signals
SHARED = ("/dev/null",)
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06  # of the filter's instructions
NUMBER_AT, ARCHITECTURE_AT = 0, 4
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES
FOREIGN = 0x40000000  # from here on x86-64 numbers the calls of another ABI

# socket, connect, accept, bind, listen, accept4, ptrace, process_vm_readv and _writev,
# io_uring_setup and _enter (which could do all of them), pidfd_getfd
CALLS: Mapping[str, tuple[int, tuple[int, ...]]] = {
    "x86_64": (0xC000003E, (41, 42, 43, 49, 50, 288, 101, 310, 311, 425, 426, 438)),
    "aarch64": (0xC00000B7, (198, 203, 202, 200, 201, 242, 117, 270, 271, 425, 426, 438)),
}


@dataclass(frozen=True)
class Confined:
    """Which protections hold, and why the others do not."""

    holds: tuple[str, ...]
    missing: Mapping[str, str]


def confine(room: Path) -> Confined:
    """Shuts this process in, as far as this machine can; `room` stays writable.

    Guarantees: what it says that holds, holds for this process and every one that it starts.
    """
    measures: Mapping[str, Callable[[], None]] = {
        "files": lambda: _confine_writes(room),
        "network": _refuse_sockets,
    }
    missing = {}
    for name, take in measures.items():
        try:
            take()
        except (OSError, AttributeError) as error:
            missing[name] = str(error)
    return Confined(tuple(name for name in measures if name not in missing), missing)


def _confine_writes(room: Path) -> None:
    """Raises: OSError, if the kernel has no Landlock."""
    abi = _syscall(CREATE_RULESET, None, 0, ASK_VERSION)
    handled = WRITES | (REFER if abi >= 2 else 0) | (TRUNCATE if abi >= 3 else 0)
    scopes = SCOPES if abi >= SCOPED_ABI else 0
    attributes = struct.pack("=QQQ", handled, 0, scopes) if scopes else struct.pack("=Q", handled)
    rules = _syscall(CREATE_RULESET, attributes, len(attributes), 0)
    try:
        _allow(rules, str(room), handled)
        for path in SHARED:
            _allow(rules, path, handled & (WRITE_FILE | TRUNCATE))
        _forswear()
        _syscall(RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: str, access: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        _syscall(ADD_RULE, rules, PATH_BENEATH, struct.pack("=Qi", access, place), 0)
    finally:
        os.close(place)


def _refuse_sockets() -> None:
    """Raises: OSError, if this machine's calls are not known or the kernel takes no filter."""
    machine = platform.machine()
    if machine not in CALLS or sys.platform != "linux":
        raise OSError(errno.ENOSYS, f"no filter is known for {sys.platform} on {machine}")
    program = _filter(*CALLS[machine])
    buffer = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    _forswear()
    _prctl(SET_SECCOMP, FILTER, head)


def _filter(architecture: int, refused: tuple[int, ...]) -> bytes:
    """A program that refuses these calls, and every call of another architecture."""
    to_refusal = len(refused) + 1
    lines = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (EQUAL, 0, to_refusal + 2, architecture),
        (LOAD, 0, 0, NUMBER_AT),
        (AT_LEAST, to_refusal, 0, FOREIGN),
    ]
    for position, number in enumerate(refused):
        lines.append((EQUAL, len(refused) - position, 0, number))
    lines += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _forswear() -> None:
    """No program that this process starts gains rights: what unprivileged filters ask for."""
    _prctl(NO_NEW_PRIVS, 1, None)


def _prctl(option: int, value: int, pointer: bytes | None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    unsigned = ctypes.c_ulong
    if libc.prctl(option, unsigned(value), pointer, unsigned(0), unsigned(0)) != 0:
        raise _last_error()


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    words = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result = int(libc.syscall(ctypes.c_long(number), *words))
    if result < 0:
        raise _last_error()
    return result


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
