"""Aggregation rules: what makes one aggregate of a round's updates."""

from collections.abc import Callable, Mapping
from typing import Any

from fedplat import parts
from fedplat.aggregators.mean import Mean
from fedplat.protocols import FoldRule

BY_NAME: Mapping[str, Callable[..., FoldRule[Any]]] = {
    "mean": Mean,
}


def build(part: Mapping[str, Any]) -> FoldRule[Any]:
    """Makes a rule of a scenario's part, `{"name": "mean"}`.

    Raises: ConfigError, if the name or a key is unknown, or the rule refuses a value.
    """
    return parts.build("aggregator", BY_NAME, part)
