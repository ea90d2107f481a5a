"""The rules and the attacks that are compared, by the names that the tables show."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.robust.setting import Part

Chain = Sequence[Part]
Attack = Mapping[str, Any]

DEFAULT = "arc+nnm+trimmed_mean"
MEAN = "mean"
CLIPPING = "centered_clipping"
CHAINS: Mapping[str, Chain] = {
    "arc+nnm+trimmed_mean": ["arc", "nnm", "trimmed_mean"],
    "nnm+geometric_median": ["nnm", "geometric_median"],
    "bucketing+centered_clipping": ["bucketing", "centered_clipping"],
    "centered_clipping": ["centered_clipping"],
    "nnm+krum": ["nnm", "krum"],
    "caf": ["caf"],
    "mean": ["mean"],
}
"""The grid's: the platform's default, five others, and the plain mean as the control."""

ATTACKS: Mapping[str, Attack] = {
    "sign flip": {"name": "sign_flip"},
    "label flip": {"name": "label_flip"},
    "mimic": {"name": "mimic"},
    "ALIE": {"name": "alie"},
    "IPM 0.1": {"name": "ipm", "epsilon": 0.1},
    "min-max": {"name": "min_max"},
    "optimised ALIE": {"name": "optimised", "base": "alie"},
    "optimised IPM": {"name": "optimised", "base": "ipm"},
}
"""The grid's; the two last know the rule."""

KNOWING = ("optimised ALIE", "optimised IPM")
PUBLISHED = ("sign flip", "optimised ALIE", "optimised IPM")  # those of ByzFL's heat maps
