"""The compiled loops of a codec, made outside a training's sandbox and handed in.

Within it nothing outside its room can be written, so its compiler would begin anew each time.  What
it finds in its room was compiled by this process's own code; what it adds there, nobody else reads.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedplat import codecs

FOLDER = "compiled"  # in a room
LONGEST_S = 300.0


def environment(room: Path) -> dict[str, str]:
    """Where the training's compiler looks."""
    return {"NUMBA_CACHE_DIR": str(room / FOLDER)}


def provide(codec: Mapping[str, Any], room: Path) -> None:
    """Puts the loops of a scenario's codec into `room`, compiled before if they were not.

    What can not be compiled or copied here is left to the training, which then takes longer.
    """
    if codec["name"] == "float32":
        return
    cache = _cache()
    done = cache / f"{_identity(codec)}.done"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / "lock").open("w") as lock:  # clients of one machine do not compile at once
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists() and _compile(codec, cache):
                done.touch()
        shutil.copytree(cache, room / FOLDER, dirs_exist_ok=True)
    except (OSError, shutil.Error, subprocess.TimeoutExpired):
        return


def _compile(codec: Mapping[str, Any], cache: Path) -> bool:
    ended = subprocess.run(  # noqa: S603  our own module
        [sys.executable, "-m", "fedplat_client.compiling", json.dumps(codec)],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)}, timeout=LONGEST_S, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return ended.returncode == 0


def _identity(codec: Mapping[str, Any]) -> str:
    """Of a codec and of the code that it is made of."""
    sources = sorted(Path(codecs.__file__).parent.rglob("*.py"))
    stamps = [(str(one), one.stat().st_mtime_ns, one.stat().st_size) for one in sources]
    written = json.dumps([codec, stamps, sys.version], sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()[:32]


def _cache() -> Path:
    """This user's own, for all its clients."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("NUMBA_CACHE_DIR") or Path(home) / "fedplat" / FOLDER)
