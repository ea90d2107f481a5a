"""ByzFL's rules over updates that lie in memory; runs inside ByzFL's environment.

Usage: run_byzfl_rules.py CLIENTS DIM LIARS THREADS FOLDER.  Reads a line of JSON after another from
standard input, `{"chain": [["NNM", {"f": 2}], …], "save": NAME}`, and answers with the seconds.
With `"unusable": true` the last update is NaN.
"""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch
import torchvision_ops  # noqa: F401  before byzfl

import byzfl  # isort: skip
import numpy as np

from benchmarks.aggregating import rows

CHANGES_ITS_INPUT = {"Clipping", "ARC"}


def main() -> None:
    clients, dim, liars, threads = map(int, sys.argv[1:5])
    folder = Path(sys.argv[5])
    torch.set_num_threads(threads)
    updates = torch.from_numpy(rows.updates(clients, dim, liars))
    _answer({"ready": True})
    for line in sys.stdin:
        asked = json.loads(line)
        torch.manual_seed(0)  # noqa: TID251  ByzFL draws from the global generator
        parts = [getattr(byzfl, name)(**told) for name, told in asked["chain"]]
        changes = bool(CHANGES_ITS_INPUT & {name for name, _ in asked["chain"]})
        given = updates.clone() if changes or asked.get("unusable") else updates
        if asked.get("unusable"):
            given[-1] = float("nan")
        start = time.perf_counter()
        found = given
        for part in parts:
            found = part(found)
        seconds = time.perf_counter() - start
        if asked.get("save") and found is not None:
            np.save(folder / f"{asked['save']}.npy", found.numpy())
        found = given = None
        _answer({"seconds": seconds})


def _answer(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
