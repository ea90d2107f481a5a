"""Flower's way of a model into the objects of a message and out of them, without a network.

Usage: run_flower_message.py BYTES RUNS; runs inside Flower's environment.  Answers with one line of
JSON: the seconds of each run, both ends together.
"""

import json
import sys
import time

import numpy as np
from flwr.common import Array, ArrayRecord, RecordDict
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents


def main() -> None:
    size_bytes, runs = int(sys.argv[1]), int(sys.argv[2])
    values = np.arange(size_bytes // 4, dtype=np.float32)
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        record = RecordDict({"arrays": ArrayRecord({"w": Array(values)})})
        objects = get_all_nested_objects(record)
        contents = {name: one.deflate() for name, one in objects.items()}
        back = inflate_object_from_contents(record.object_id, contents)
        came = back["arrays"]["w"].numpy()
        seconds.append(time.perf_counter() - start)
        if came.shape != values.shape or came[-1] != values[-1]:
            raise SystemExit("Flower gave back something else")
        del record, objects, contents, back, came
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
