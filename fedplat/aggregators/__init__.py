"""Aggregation rules: what makes one aggregate of a round's updates.

The weighted mean folds update by update.  Robust rules look at all updates of a round together; a
chain of them has stages that mix the updates first (`nnm`, `bucketing`, `clipping`, `arc`), and one
rule at its end.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from fedplat import parts
from fedplat.aggregators.arc import ARC
from fedplat.aggregators.average import Average
from fedplat.aggregators.bucketing import Bucketing
from fedplat.aggregators.bulyan import bulyan
from fedplat.aggregators.caf import CAF
from fedplat.aggregators.centered_clipping import CenteredClipping
from fedplat.aggregators.cge import CGE
from fedplat.aggregators.clipping import Clipping
from fedplat.aggregators.dnc import DnC
from fedplat.aggregators.flame import FLAME
from fedplat.aggregators.fltrust import FLTrust
from fedplat.aggregators.geometric_median import GeometricMedian
from fedplat.aggregators.krum import Krum, multi_krum
from fedplat.aggregators.lasa import LASA
from fedplat.aggregators.mda import MDA
from fedplat.aggregators.meamed import MeaMed
from fedplat.aggregators.mean import Mean
from fedplat.aggregators.median import Median
from fedplat.aggregators.monna import MoNNA
from fedplat.aggregators.nnm import NNM
from fedplat.aggregators.norm_bound import NormBound
from fedplat.aggregators.phocas import Phocas
from fedplat.aggregators.robust import Robust
from fedplat.aggregators.sign_guard import SignGuard
from fedplat.aggregators.sign_majority import SignMajority
from fedplat.aggregators.smea import SMEA
from fedplat.aggregators.trimmed_mean import TrimmedMean
from fedplat.errors import ConfigError
from fedplat.protocols import FoldRule

BY_NAME: Mapping[str, Callable[..., Any]] = {
    "mean": Mean,
    "arc": ARC,
    "bucketing": Bucketing,
    "bulyan": bulyan,
    "caf": CAF,
    "centered_clipping": CenteredClipping,
    "cge": CGE,
    "clipping": Clipping,
    "dnc": DnC,
    "flame": FLAME,
    "fltrust": FLTrust,
    "geometric_median": GeometricMedian,
    "krum": Krum,
    "lasa": LASA,
    "mda": MDA,
    "meamed": MeaMed,
    "median": Median,
    "monna": MoNNA,
    "multi_krum": multi_krum,
    "nnm": NNM,
    "norm_bound": NormBound,
    "phocas": Phocas,
    "sign_guard": SignGuard,
    "sign_majority": SignMajority,
    "smea": SMEA,
    "trimmed_mean": TrimmedMean,
}
IN_A_CHAIN: Mapping[str, Callable[..., Any]] = {**BY_NAME, "mean": Average}
F = "num_byzantine"


def is_robust(part: Mapping[str, Any]) -> bool:
    """Whether a scenario's part looks at all updates of a round together."""
    make = BY_NAME.get(str(part["name"]))
    return part["name"] == "chain" or not (isinstance(make, type) and issubclass(make, FoldRule))


def build(part: Mapping[str, Any], num_byzantine: int | None = None) -> FoldRule[Any] | Robust:
    """Makes a rule of a scenario's part: `{"name": "mean"}`, or a chain, `{"name": "chain",
    "stages": ["nnm", "trimmed_mean"]}`.

    `num_byzantine` is what each part gets that asks for it and is not told by itself.

    Raises: ConfigError, if a name or a key is unknown, a part refuses a value, the parts are no
    chain, or one has to know `num_byzantine` and nobody says it.
    """
    is_chain = part["name"] == "chain"
    stages = part.get("stages", ()) if is_chain else [part]
    known = IN_A_CHAIN if is_chain else BY_NAME
    made: list[Any] = []
    for one in stages:
        built = _part(known, {"name": one} if isinstance(one, str) else one, num_byzantine)
        made += built if isinstance(built, tuple) else [built]
    if not is_chain and isinstance(made[0], FoldRule):
        return made[0]
    try:
        return Robust.of(made)
    except ValueError as error:
        raise ConfigError(where="aggregator", reason=str(error)) from error


def _part(
    known: Mapping[str, Callable[..., Any]], part: Mapping[str, Any], num_byzantine: int | None
) -> Any:
    make = known.get(str(part.get("name")))
    if make is None or F in part or F not in inspect.signature(make).parameters:
        return parts.build("aggregator", known, part)
    if num_byzantine is None:
        reason = f"`aggregator` {part['name']} has to know how many clients of a round may lie"
        raise ConfigError(where=F, reason=f"{reason}; write {F} = 1, say")
    return parts.build("aggregator", known, {**part, F: num_byzantine})
