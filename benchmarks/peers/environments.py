"""Makes the environments that the peers live in: once, outside the checkout, with pinned versions.

`~/.cache/fedplat-bench/NAME` (or under `FEDPLAT_BENCH_CACHE`).  An environment in which the pinned
versions stand is used as it is; another one is made anew.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

TORCH = "torch==2.13.0"
VERSION_SCRIPT = (
    "import json, sys; from importlib.metadata import version, PackageNotFoundError as Absent\n"
    "found = {}\n"
    "for name in sys.argv[1:]:\n"
    "    try: found[name] = version(name)\n"
    "    except Absent: pass\n"
    "print(json.dumps(found))"
)


@dataclass(frozen=True)
class Peer:
    """A framework to compare with.  `requirement` is installed after `torch`, which it keeps.

    `beside` are further distributions of chosen versions: what would bring another torch.
    """

    name: str
    requirement: str
    python: tuple[int, int] = (3, 11)
    required: bool = True
    torch: str = TORCH
    beside: tuple[str, ...] = ()

    @property
    def pins(self) -> dict[str, str]:
        """Distribution → version."""
        pairs = (text.split("==") for text in (self.torch, *self.beside, self.requirement))
        return {name.partition("[")[0]: version for name, version in pairs}


ENGINES = (  # what runs whole federations
    Peer("flower", "flwr[simulation]==1.41.0"),
    Peer("pfl", "pfl[pytorch]==0.6.0"),
    Peer("blazefl", "blazefl[contrib,reproducibility]==2.0.3", (3, 12), required=False),
)
BYZFL = Peer("byzfl", "byzfl==0.0.11", required=False, beside=("torchvision==0.28.0",))
BY_NAME = {peer.name: peer for peer in (*ENGINES, BYZFL)}


class MissingPeerError(Exception):
    """An environment that could not be made; the text says why."""


def cache_folder() -> Path:
    """Where environments, data for the peers and measured cells lie."""
    chosen = os.environ.get("FEDPLAT_BENCH_CACHE")
    system = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(chosen) if chosen else Path(system) / "fedplat-bench"


def interpreter(peer: Peer, root: Path | None = None) -> Path:
    """The Python of the peer's environment, which is made if it is not there.

    Raises: MissingPeerError, if no Python of a fitting version is there or pip fails.
    """
    folder = (root or cache_folder()) / peer.name
    python = folder / "bin" / "python"
    if is_ready(python, peer):
        return python
    base = find_python(peer.python)
    if folder.exists():
        shutil.rmtree(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.write(f"making the environment of {peer.name} in {folder} (once) …\n")
    _run([base, "-m", "venv", folder], peer)
    for requirement in (peer.torch, *peer.beside, peer.requirement):
        _run([python, "-m", "pip", "install", "--quiet", requirement], peer)
    if not is_ready(python, peer):
        raise MissingPeerError(f"{peer.name}: pip installed other versions than {peer.pins}")
    return python


def is_ready(python: Path, peer: Peer) -> bool:
    """Whether the pinned versions stand in the environment."""
    return python.exists() and satisfied(versions(python, list(peer.pins)), peer.pins)


def satisfied(found: Mapping[str, str], pins: Mapping[str, str]) -> bool:
    """Whether exactly the pinned versions were found; a local label is no other version.

    >>> satisfied({"torch": "2.13.0+cpu"}, {"torch": "2.13.0"})
    True
    """
    return {name: text.partition("+")[0] for name, text in found.items()} == pins


def versions(python: Path, names: list[str]) -> dict[str, str]:
    """The installed versions, as they call themselves."""
    command = [str(python), "-c", VERSION_SCRIPT, *names]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return dict(json.loads(answer.stdout)) if answer.returncode == 0 else {}


def find_python(least: tuple[int, int]) -> Path:
    """A Python of at least that version: this one, one on PATH, or one of pyenv's.

    Raises: MissingPeerError, if there is none.
    """
    for candidate in _pythons(least):
        if _version_of(candidate) >= least:
            return candidate
    raise MissingPeerError(f"no Python >= {least[0]}.{least[1]} on this machine")


def _pythons(least: tuple[int, int]) -> Iterator[Path]:
    yield Path(sys.executable)
    names = [f"{least[0]}.{minor}" for minor in range(least[1], least[1] + 4)]
    for name in names:
        if found := shutil.which(f"python{name}"):
            yield Path(found)
    versions_of_pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for name in names:
        yield from sorted(versions_of_pyenv.glob(f"{name}*/bin/python"))


def _version_of(python: Path) -> tuple[int, int]:
    """(0, 0) for what does not run: a shim of a version that is not activated, say."""
    script = "import sys; print(*sys.version_info[:2])"
    try:
        answer = subprocess.run(
            [str(python), "-c", script], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0, 0
    parts = answer.stdout.split()
    return (int(parts[0]), int(parts[1])) if answer.returncode == 0 and len(parts) == 2 else (0, 0)


def _run(command: list[str | Path], peer: Peer) -> None:
    words = [str(word) for word in command]
    answer = subprocess.run(words, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        last = (answer.stderr.strip().splitlines() or ["no message"])[-1]
        raise MissingPeerError(f"{peer.name}: {' '.join(words[1:])}: {last}")
