"""NNCodec over one update; runs inside NNCodec's environment.

Usage: run_nncodec.py UPDATE.npz STEP REPEATS.  The quantisation parameter is the one whose step is
nearest to STEP; everything else is NNCodec's default (dependent quantisation, row skipping).
Answers with one line of JSON: the bitstream's bytes, the seconds of each run, the error.
"""

import json
import sys
import tempfile
import time
from math import log2

import numpy as np
from nncodec.nn import decode, encode

QP_PER_OCTAVE = 4  # its quantisation parameter's density


def main() -> None:
    path, step, repeats = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    tensors = dict(np.load(path))
    qp = round(QP_PER_OCTAVE * log2(step))
    answer = {"bytes": 0, "qp": qp, "encode_s": [], "decode_s": []}
    with tempfile.TemporaryDirectory() as folder:
        args = {"qp": qp, "results": folder, "verbose": False}
        for _ in range(repeats):
            given = {key: one.copy() for key, one in tensors.items()}
            start = time.perf_counter()
            sent = encode(given, args)
            encoded = time.perf_counter()
            got = decode(sent, args)
            answer["encode_s"].append(encoded - start)
            answer["decode_s"].append(time.perf_counter() - encoded)
    answer["bytes"] = len(sent)
    lost = sum(float(((np.asarray(got[key]) - one) ** 2).sum()) for key, one in tensors.items())
    answer["nmse"] = lost / sum(float((one**2).sum()) for one in tensors.values())
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
