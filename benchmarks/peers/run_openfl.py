"""OpenFL's compression pipelines over one update; runs inside OpenFL's environment.

Usage: run_openfl.py UPDATE.npz PIPELINE REPEATS.  Answers with one line of JSON: the bytes that its
last step gives (metadata is not counted), the seconds of each run, the error.
"""

import json
import sys
import time

import numpy as np
from openfl.pipelines import SKCPipeline, STCPipeline

PIPELINES = {
    "stc": lambda: STCPipeline(p_sparsity=0.01),
    "skc": lambda: SKCPipeline(p_sparsity=0.2, n_clusters=3),
}


def main() -> None:
    path, name, repeats = sys.argv[1], sys.argv[2], int(sys.argv[3])
    tensors = dict(np.load(path))
    answer = {"bytes": 0, "encode_s": [], "decode_s": []}
    for _ in range(repeats):
        pipeline = PIPELINES[name]()
        start = time.perf_counter()
        sent = {key: pipeline.forward(one) for key, one in tensors.items()}
        encoded = time.perf_counter()
        got = {key: pipeline.backward(data, meta) for key, (data, meta) in sent.items()}
        answer["encode_s"].append(encoded - start)
        answer["decode_s"].append(time.perf_counter() - encoded)
    answer["bytes"] = sum(len(data) for data, _ in sent.values())
    lost = sum(float(((got[key] - one) ** 2).sum()) for key, one in tensors.items())
    answer["nmse"] = lost / sum(float((one**2).sum()) for one in tensors.values())
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
