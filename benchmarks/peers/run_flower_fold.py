"""Flower's two aggregations over updates that lie in memory; runs inside Flower's environment.

Usage: run_flower_fold.py CLIENTS DIM FOLDER.  Reads one word a line from standard input,
`aggregate` or `arrayrecords`, runs it and answers with its seconds; a result's first run is saved.
"""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from flwr.common import Array, ArrayRecord, MetricRecord, RecordDict
from flwr.server.strategy.aggregate import aggregate
from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords

from benchmarks.folding import updates


def main() -> None:
    clients, dim, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    weights = updates.weights(clients)
    rows = [updates.row(index, dim) for index in range(clients)]
    results = [([row], weight) for row, weight in zip(rows, weights, strict=True)]
    saved = set()
    _answer({"ready": True})
    for line in sys.stdin:
        arm = line.strip()
        if arm == "arrayrecords":
            records = [_record(row, weight) for row, weight in results]  # serialises: not timed
        start = time.perf_counter()
        if arm == "aggregate":
            mean = aggregate(results)[0]
        else:
            mean = aggregate_arrayrecords(records, "num-examples")
        seconds = time.perf_counter() - start
        if arm not in saved:
            updates.save(folder, arm, mean if arm == "aggregate" else mean["w"].numpy())
            saved.add(arm)
        records, mean = [], None
        _answer({"seconds": seconds})


def _record(row, weight):
    return RecordDict(
        {
            "arrays": ArrayRecord({"w": Array(row[0])}),
            "metrics": MetricRecord({"num-examples": weight}),
        }
    )


def _answer(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
