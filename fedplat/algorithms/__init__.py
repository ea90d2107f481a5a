"""Federated algorithms, each as published: pure init, client and server functions."""

from collections.abc import Mapping
from typing import Any

from fedplat import parts
from fedplat.algorithms.ditto import Ditto
from fedplat.algorithms.fedavg import FedAvg
from fedplat.algorithms.fedavgm import FedAvgM
from fedplat.algorithms.fedbn import FedBN
from fedplat.algorithms.fedbuff import FedBuff
from fedplat.algorithms.feddyn import FedDyn
from fedplat.algorithms.fednova import FedNova
from fedplat.algorithms.fedopt import FedAdagrad, FedAdam, FedYogi
from fedplat.algorithms.fedper import FedPer
from fedplat.algorithms.fedprox import FedProx
from fedplat.algorithms.fedrep import FedRep
from fedplat.algorithms.finetune import FineTune
from fedplat.algorithms.qfedavg import QFedAvg
from fedplat.algorithms.scaffold import Scaffold
from fedplat.protocols import Algorithm

BY_NAME: Mapping[str, type[Algorithm]] = {
    "ditto": Ditto,
    "fedadagrad": FedAdagrad,
    "fedadam": FedAdam,
    "fedavg": FedAvg,
    "fedavgm": FedAvgM,
    "fedbn": FedBN,
    "fedbuff": FedBuff,
    "feddyn": FedDyn,
    "fednova": FedNova,
    "fedper": FedPer,
    "fedprox": FedProx,
    "fedrep": FedRep,
    "fedyogi": FedYogi,
    "finetune": FineTune,
    "qfedavg": QFedAvg,
    "scaffold": Scaffold,
}


def build(part: Mapping[str, Any]) -> Algorithm:
    """Makes an algorithm of a scenario's part, `{"name": "fedprox", "mu": 0.1}`.

    Raises: ConfigError, if the name or a key is unknown (the nearest one is offered), a key without
    a default is missing, or a value is refused by the algorithm.
    """
    return parts.build("algorithm", BY_NAME, part)
