"""How one data set is split over clients: a frozen dataclass of parameters per scheme.

Names and parameters are those of flwr-datasets (or ByzFL), so that results compare; where a scheme
deviates, its docstring says so.  A new scheme is one new file and one line of `BY_NAME`.
"""

from collections.abc import Mapping
from typing import Any

from fedplat.data.partition.dirichlet import Dirichlet
from fedplat.data.partition.feature_skew import Noise, Rotation
from fedplat.data.partition.gamma_similarity import GammaSimilarity
from fedplat.data.partition.iid import Iid
from fedplat.data.partition.natural_id import NaturalId
from fedplat.data.partition.partitioner import FeatureSkew, Partitioner
from fedplat.data.partition.pathological import Pathological
from fedplat.data.partition.shard import Shard
from fedplat.data.partition.size_skew import Exponential, Linear, LogNormal
from fedplat.data.parts import construct

BY_NAME: Mapping[str, type[Partitioner]] = {
    "iid": Iid,
    "dirichlet": Dirichlet,
    "gamma_similarity": GammaSimilarity,
    "pathological": Pathological,
    "shard": Shard,
    "linear": Linear,
    "exponential": Exponential,
    "lognormal": LogNormal,
    "natural_id": NaturalId,
    "rotation": Rotation,
    "noise": Noise,
}


def partitioner(part: str | Mapping[str, Any], where: str = "partition") -> Partitioner:
    """Builds a partitioner from a scenario's part: `"iid"`, `{ name = "dirichlet", alpha = 0.5 }`.

    The partition `within` a feature skew is a part itself.

    Raises: ConfigError, if the name or an option is wrong; the nearest one is offered.

    >>> partitioner({"name": "rotation", "max_degrees": 30.0, "within": "iid"})
    Rotation(within=Iid(), max_degrees=30.0, degrees=None)
    """
    options: dict[str, Any] = {"name": part} if isinstance(part, str) else dict(part)
    name = str(options.pop("name", ""))
    if isinstance(options.get("within"), str | Mapping):
        options["within"] = partitioner(options["within"], f"{where}.within")
    return construct(BY_NAME, name, options, where)


__all__ = ["BY_NAME", "FeatureSkew", "Partitioner", "partitioner"]
