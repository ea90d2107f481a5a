"""Federated algorithms, each as published: pure init, client and server functions."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

from fedplat.algorithms.ditto import Ditto
from fedplat.algorithms.fedavg import FedAvg
from fedplat.algorithms.fedavgm import FedAvgM
from fedplat.algorithms.fedbn import FedBN
from fedplat.algorithms.feddyn import FedDyn
from fedplat.algorithms.fednova import FedNova
from fedplat.algorithms.fedopt import FedAdagrad, FedAdam, FedYogi
from fedplat.algorithms.fedper import FedPer
from fedplat.algorithms.fedprox import FedProx
from fedplat.algorithms.fedrep import FedRep
from fedplat.algorithms.finetune import FineTune
from fedplat.algorithms.qfedavg import QFedAvg
from fedplat.algorithms.scaffold import Scaffold
from fedplat.errors import ConfigError
from fedplat.protocols import Algorithm

BY_NAME: Mapping[str, type] = {
    "ditto": Ditto,
    "fedadagrad": FedAdagrad,
    "fedadam": FedAdam,
    "fedavg": FedAvg,
    "fedavgm": FedAvgM,
    "fedbn": FedBN,
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
    given = dict(part)
    name = given.pop("name", None)
    if name not in BY_NAME:
        raise _unknown("algorithm.name", name, BY_NAME)
    keys = {field.name: field for field in fields(BY_NAME[name])}
    for key in given:
        if key not in keys:
            raise _unknown(f"algorithm {name}", key, keys)
    for key, field in keys.items():
        if _required(field) and key not in given:
            hint = f'write algorithm = {{ name = "{name}", {key} = … }}'
            raise ConfigError(where=f"algorithm {name}", reason=f"`{key}` has no default: {hint}")
    try:
        built: Algorithm = BY_NAME[name](**given)
    except (TypeError, ValueError) as error:
        raise ConfigError(where=f"algorithm {name}", reason=str(error)) from error
    return built


def _required(field: "Field[Any]") -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _unknown(where: str, word: object, known: Iterable[str]) -> ConfigError:
    near = difflib.get_close_matches(str(word), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
    return ConfigError(where=where, reason=f"unknown {word!r}; {hint}")
