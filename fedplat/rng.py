"""One root seed, many independent named streams.

Every random choice of a federation draws from a stream named by *what* it is for, never from a
shared or global generator.  Attempts and leases are not parts of a name: a repeated assignment
draws the same numbers.

>>> derive(7, "client", "client-000001") == derive(7, "client", "client-000001")
True
>>> derive(7, "a", "bc") == derive(7, "ab", "c")
False
"""

import hashlib
from functools import lru_cache

import numpy as np
import torch

Part = str | int


def derive(seed: int, *parts: Part) -> int:
    """Returns a 63-bit seed for the stream that `parts` name under the root `seed`.

    Guarantees: SHA-256 over length-prefixed, typed parts, so ("a", "bc") ≠ ("ab", "c") and 1 ≠ "1";
    the same on every platform and under every PYTHONHASHSEED.
    Raises: TypeError, if a part is neither str nor int (bool is refused too).
    """
    name = b"".join([_tagged(part) for part in (seed, *parts)])
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "little") >> 1


@lru_cache(maxsize=1 << 12, typed=True)  # most parts are words and clients that come again
def _tagged(part: Part) -> bytes:
    if isinstance(part, bool) or not isinstance(part, (str, int)):
        raise TypeError(f"a stream is named by str and int parts, got {part!r}")
    encoded = str(part).encode()
    return b"%s%d:%s" % (b"i" if isinstance(part, int) else b"s", len(encoded), encoded)


def generator(seed: int, *parts: Part) -> torch.Generator:
    """Returns a fresh torch generator (CPU) for the stream that `parts` name."""
    return torch.Generator().manual_seed(derive(seed, *parts))


def numpy_generator(seed: int, *parts: Part) -> np.random.Generator:
    """Returns a fresh NumPy generator (PCG64) for the stream that `parts` name."""
    return np.random.Generator(np.random.PCG64(derive(seed, *parts)))
