"""Federated algorithms, each as published: pure init, client and server functions."""

import difflib
from collections.abc import Mapping
from typing import Any

from fedplat.algorithms.fedavg import FedAvg
from fedplat.errors import ConfigError
from fedplat.protocols import Algorithm

BY_NAME: Mapping[str, type] = {
    "fedavg": FedAvg,
}


def build(part: Mapping[str, Any]) -> Algorithm:
    """Makes an algorithm of a scenario's part, `{"name": "fedavg", "server_lr": 1.0}`.

    Raises: ConfigError, if the name or a key is unknown (the nearest one is offered) or a value is
    refused by the algorithm.
    """
    settings = dict(part)
    name = settings.pop("name", None)
    if name not in BY_NAME:
        raise _unknown("algorithm.name", name, BY_NAME)
    algorithm = BY_NAME[name]
    keys = algorithm.__dataclass_fields__  # type: ignore[attr-defined]
    for key in settings:
        if key not in keys:
            raise _unknown(f"algorithm {name}", key, keys)
    try:
        built: Algorithm = algorithm(**settings)
    except (TypeError, ValueError) as error:
        raise ConfigError(where=f"algorithm {name}", reason=str(error)) from error
    return built


def _unknown(where: str, word: object, known: Mapping[str, Any]) -> ConfigError:
    near = difflib.get_close_matches(str(word), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
    return ConfigError(where=where, reason=f"unknown {word!r}; {hint}")
