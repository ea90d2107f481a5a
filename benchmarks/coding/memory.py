"""The most memory that a call takes beyond what is held already."""

import ctypes
import gc
import re
from collections.abc import Callable
from pathlib import Path

PROCESS = Path("/proc/self")


def peak_bytes(run: Callable[[], object]) -> int | None:
    """What the resident set grew by, at most, during `run`; None where the system does not tell.

    What the allocator keeps for later is given back first, so that it is not used unseen.
    """
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        (PROCESS / "clear_refs").write_text("5")  # the high-water mark begins anew
        before = _status_bytes("VmRSS")
        run()
        return max(0, _status_bytes("VmHWM") - before)
    except (OSError, AttributeError):
        return None


def _status_bytes(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", (PROCESS / "status").read_text())
    if found is None:
        raise OSError(f"the system does not tell {field}")
    return int(found[1]) << 10
