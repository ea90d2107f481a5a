"""ByzFL's own training on our images: same shards, model, rate, momentum and attack."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures import ROOT
from benchmarks.robust.images import images
from benchmarks.robust.setting import Setting
from benchmarks.simulation.process import measure
from fedplat.data.partition import partitioner

SCRIPT = ROOT / "benchmarks" / "peers" / "run_byzfl_training.py"
RULES: Mapping[str, Mapping[str, Any]] = {
    "trimmed mean": {"name": "TrMean", "parameters": {}},
    "geometric median": {"name": "GeometricMedian", "parameters": {"nu": 0.1, "T": 3}},
}
ATTACKS = {
    "sign flip": "SignFlipping",
    "ALIE, ByzFL's search": "Optimal_ALittleIsEnough",
    "IPM, ByzFL's search": "Optimal_InnerProductManipulation",
}
TIMEOUT_S = 3_600.0


@dataclass(frozen=True)
class PeerTraining:
    """A training of ByzFL: its published chain, static clipping and NNM before a rule."""

    rule: str
    attack: str
    setting: Setting

    def told(self) -> dict[str, Any]:
        """What its process is told."""
        f = self.setting.liars
        rule = RULES[self.rule]
        own = {"f": f} if rule["name"] == "TrMean" else {}
        keys = ("model", "honest", "liars", "steps", "every", "batch_size", "lr", "momentum")
        return {
            **{key: getattr(self.setting, key) for key in (*keys, "weight_decay", "seed")},
            "attack": ATTACKS[self.attack],
            "aggregator": {"name": rule["name"], "parameters": {**rule["parameters"], **own}},
            "pre_aggregators": [
                {"name": "Clipping", "parameters": {"c": 2.0}},
                {"name": "NNM", "parameters": {"f": f}},
            ],
        }

    def run(self, python: Path, folder: Path) -> dict[str, Any]:
        """On images that were dealt into `folder`.

        Raises: MeasurementError, if its process fails.
        """
        words: list[str | Path] = [python, SCRIPT, folder, json.dumps(self.told())]
        return measure(words, {"OMP_NUM_THREADS": "1"}, cwd=ROOT, timeout_s=TIMEOUT_S).answer


def deal(setting: Setting, data: Path, folder: Path) -> None:
    """Writes the images and each client's places in them, honest clients only: liars have none."""
    folder.mkdir(parents=True, exist_ok=True)
    found = images(data, setting.seed)
    sets = {"pool": found.pool, "validation": found.validation, "test": found.test}
    np.save(folder / "inputs.npy", np.concatenate([one.inputs.numpy() for one in sets.values()]))
    np.save(folder / "targets.npy", np.concatenate([one.targets.numpy() for one in sets.values()]))
    start = 0
    for name, one in sets.items():
        np.save(folder / f"{name}.npy", np.arange(start, start + len(one)))
        start += len(one)
    split = partitioner({"name": "gamma_similarity", "gamma": setting.gamma})
    for i, rows in enumerate(split(found.pool, setting.honest, setting.seed)):
        np.save(folder / f"client-{i}.npy", rows.numpy())
