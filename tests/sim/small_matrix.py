"""A matrix that runs in a few seconds."""

import itertools
import json
import random
from pathlib import Path
from typing import Any

import tomli_w

from fedplat_sim.matrix.cells import places
from fedplat_sim.matrix.conduct import Outcome, conduct
from fedplat_sim.matrix.definition import Matrix, load

SCENARIO = {
    "name": "small",
    "seed": 0,
    "rounds": 4,
    "data": {"name": "digits"},
    "partition": {"name": "gamma_similarity", "gamma": 1.0},
    "clients": {"count": 4},
    "model": {"name": "logistic"},
    "training": {"lr": 1.0, "batch_size": 32, "steps": 5},
    "evaluation": {"every": 0, "federated": "never"},
}
FLIP = {"name": "sign_flip", "scale": 30.0}
MATRIX = {
    "name": "small",
    "scenario": "scenario.toml",
    "honest": 5,
    "byzantine": [1],
    "rules": ["mean", "nnm | trimmed_mean"],
    "attacks": ["none", FLIP],
    "heterogeneity": {"key": "partition.gamma", "values": [1.0]},
    "seeds": [1],
}

KEYS = {
    "attacks": ["none", "alie", FLIP],
    "byzantine": [1, 2],
    "seeds": [1, 2, 3],
    "heterogeneity": {"key": "partition.gamma", "values": [0.0, 1.0]},
}


def written(folder: Path, **keys: Any) -> Path:
    """Writes a matrix's file and its scenario; a key that is None is left out."""
    (folder / "scenario.toml").write_text(tomli_w.dumps(SCENARIO))
    path = folder / "matrix.toml"
    said = {key: value for key, value in {**MATRIX, **keys}.items() if value is not None}
    path.write_text(tomli_w.dumps(said))
    return path


def loaded(folder: Path, **keys: Any) -> Matrix:
    return load(written(folder, **keys))


def conducted(matrix: Matrix, folder: Path, processes: int = 2) -> tuple[Outcome, list[Any]]:
    """Runs a matrix; gives its outcome and what was told on the way."""
    told: list[Any] = []
    return conduct(matrix, folder, processes, told.append), told


def records(matrix, measure="accuracy", seed=0):
    """Made-up records of all its runs; a function of the arguments."""
    rng = random.Random(seed)
    return [
        {
            "arm": place.rule,
            "point": json.loads(json.dumps(dict(place.point(matrix)))),
            "seed": one,
            "state": "done",
            "measures": {measure: rng.random()},
            "label": place.label(matrix),
            "environment": {"torch": "2"},
            "digest": "ab" * 32,
        }
        for place, one in itertools.product(places(matrix), matrix.seeds)
    ]
