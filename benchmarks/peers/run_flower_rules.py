"""Flower's robust rules over updates that lie in memory; runs inside Flower's environment.

Usage: run_flower_rules.py CLIENTS DIM LIARS THREADS FOLDER.  Reads a line of JSON after another
from standard input, `{"rule": "krum", "save": NAME}`, and answers with the seconds.  With
`"unusable": true` the last update is NaN.  (`THREADS` are what its NumPy was started with.)
"""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

import numpy as np
from flwr.server.strategy import aggregate as rules

from benchmarks.aggregating import rows


def run(rule: str, results: list, f: int) -> list:
    n = len(results)
    if rule == "median":
        return rules.aggregate_median(results)
    if rule == "trimmed_mean":
        return rules.aggregate_trimmed_avg(results, f / n)
    if rule == "bulyan":
        return rules.aggregate_bulyan(results, f, rules.aggregate_krum, to_keep=0)
    return rules.aggregate_krum(results, f, n - f if rule == "multikrum" else 0)


def main() -> None:
    clients, dim, liars = map(int, sys.argv[1:4])
    folder = Path(sys.argv[5])
    updates = rows.updates(clients, dim, liars)
    _answer({"ready": True})
    for line in sys.stdin:
        asked = json.loads(line)
        results = [([row], 1) for row in updates]
        if asked.get("unusable"):
            results[-1] = ([np.full(dim, np.nan, dtype=np.float32)], 1)
        start = time.perf_counter()
        try:
            found = run(asked["rule"], results, liars)[0]
        except ValueError:  # Bulyan does not find the update that is NaN
            if not asked.get("unusable"):
                raise
            found = None
        seconds = time.perf_counter() - start
        if asked.get("save") and found is not None:
            np.save(folder / f"{asked['save']}.npy", found)
        found = None
        _answer({"seconds": seconds})


def _answer(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
