"""Nearest-mean digits that write down every evaluation: who, in which round, on which samples."""

import hashlib
import json
import os
import signal
import time
from pathlib import Path

import numpy as np


def initial(context):
    return {"means": np.zeros((10, 64), np.float32)}


def fit(params, context):
    if os.environ.get("DIE_AT_LR") == str(context.settings.lr):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(float(os.environ.get("FIT_TAKES_S", "0")))
    x, y = context.data.inputs.reshape(len(context.data), -1), context.data.targets
    for label in np.unique(y):
        params["means"][label] += context.settings.lr * (
            x[y == label].mean(0) - params["means"][label]
        )
    return params, {"num_examples": len(context.data), "num_steps": 1}


def evaluate(params, context):
    _write_down(context)
    x = context.data.inputs.reshape(len(context.data), -1)
    distance = ((x[:, None, :] - params["means"][None]) ** 2).sum(2)
    hits = distance.argmin(1) == context.data.targets
    loss = float(distance.min(1).mean())
    return {"loss": loss, "accuracy": float(hits.mean()), "num_examples": len(x)}


def _write_down(context):
    digest = hashlib.sha256(context.data.inputs.tobytes()).hexdigest()
    entry = {"client": context.client, "data": digest, "lr": context.settings.lr}
    with Path(os.environ["COUNTED_EVALUATIONS"]).open("a") as file:
        file.write(json.dumps(entry) + "\n")
