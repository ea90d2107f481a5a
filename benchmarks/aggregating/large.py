"""Memory and time of every rule over many updates: a process of its own, with nothing else in it.

Usage: python -m benchmarks.aggregating.large CLIENTS DIM LIARS THREADS.  The updates are made once
and lie in memory; what is counted is the process's anonymous memory at its peak, above what it had
before the updates were made, with loops compiled and modules loaded.  Each rule's answer is a line
of JSON.
"""

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.aggregating import rows
from benchmarks.aggregating.rules import LARGE, Spec, chain
from benchmarks.folding.peak import anonymous_bytes, watching
from fedplat.errors import ToleranceError
from fedplat.runtime.folding import InMemory
from fedplat.runtime.robust_fold import fold_robustly


def main() -> None:
    clients, dim, liars, threads = map(int, sys.argv[1:5])
    for parts in LARGE.values():  # as a coordinator at work: compiled and loaded
        measured(parts, rows.updates(24, 1 << 17, 2), 2, threads)
    idle = anonymous_bytes()
    updates = rows.updates(clients, dim, liars)
    say({"made_bytes": anonymous_bytes() - idle, "input_bytes": updates.nbytes})
    for name, parts in LARGE.items():
        found = measured(parts, updates, liars, threads)
        peak = found.pop("peak_bytes") - idle
        say({"rule": name, "over_input": peak / updates.nbytes, **found})


def measured(
    parts: Sequence[Spec], updates: np.ndarray, liars: int, threads: int
) -> dict[str, Any]:
    """Seconds, peak memory, and whether the rule refuses so many updates and liars."""
    held = [InMemory(torch.from_numpy(one)) for one in updates]
    peak, refused = [0], ""
    start = time.perf_counter()
    with watching(peak):
        try:
            fold_robustly(chain(parts, liars), held, seed=1, reference=held[0], threads=threads)
        except ToleranceError as error:
            refused = str(error)
    return {
        "seconds": time.perf_counter() - start,
        "peak_bytes": peak[0],
        "refused": refused,
    }


def say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
