"""A process in a peer's environment that holds the same updates and runs its rules on demand."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures import ROOT
from benchmarks.peers.environments import MissingPeerError


@dataclass(frozen=True)
class Size:
    """How many updates of how many values, the last `liars` of them lies."""

    clients: int
    dim: int
    liars: int


@dataclass(frozen=True)
class Asked:
    """How long a rule took, and its aggregate, if that was to be kept and the rule gave one."""

    seconds: float
    value: np.ndarray | None


class Process:
    """Answers one question after another."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process, self._folder = process, folder

    def ask(self, question: Mapping[str, Any], keep: bool = False) -> Asked:
        """Raises: MissingPeerError, if the process ends instead of answering."""
        assert self._process.stdin is not None
        path = self._folder / "kept.npy"
        path.unlink(missing_ok=True)
        told = {**question, "save": path.stem} if keep else dict(question)
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        seconds = float(self.answer()["seconds"])
        return Asked(seconds, np.load(path) if path.exists() else None)

    def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise MissingPeerError("the process ended early")
        return dict(json.loads(line))


@contextmanager
def started(python: Path, script: str, size: Size, threads: int) -> Iterator[Process]:
    """The process of `benchmarks/peers/SCRIPT` with its updates made.

    Raises: MissingPeerError, if it does not come up.
    """
    path = ROOT / "benchmarks" / "peers" / script
    sizes = [str(one) for one in (size.clients, size.dim, size.liars, threads)]
    counts = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [str(python), str(path), *sizes, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **counts},
        ) as process,
    ):
        assert process.stdin is not None
        made = Process(process, Path(folder))
        made.answer()
        try:
            yield made
        finally:
            process.stdin.close()
