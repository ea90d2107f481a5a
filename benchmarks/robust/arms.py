"""The rules and the attacks that are compared, by the names that the tables show."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.robust.setting import Part

Chain = Sequence[Part]
Attack = Mapping[str, Any]

DEFAULT = "arc+caf"
MEAN = "mean"
CHAINS: Mapping[str, Chain] = {
    "arc+caf": ["arc", "caf"],
    "arc+nnm+trimmed_mean": ["arc", "nnm", "trimmed_mean"],
    "nnm+trimmed_mean": ["nnm", "trimmed_mean"],
    "nnm+geometric_median": ["nnm", "geometric_median"],
    "nnm+krum": ["nnm", "krum"],
    "bucketing+centered_clipping": ["bucketing", "centered_clipping"],
    "mean": ["mean"],
}
"""The grid's: what we advise, five others, and the plain mean as the control."""

CANDIDATES: Mapping[str, Chain] = {
    "arc+caf": ["arc", "caf"],
    "arc+nnm+trimmed_mean": ["arc", "nnm", "trimmed_mean"],
    "arc+nnm+geometric_median": ["arc", "nnm", "geometric_median"],
    "arc+nnm+multi_krum": ["arc", "nnm", "multi_krum"],
    "arc+geometric_median": ["arc", "geometric_median"],
    "geometric_median": ["geometric_median"],
    "centered_clipping": ["centered_clipping"],
}
"""What the default is chosen of, on validation images, by the worst of sign flip and
the finer searches at the last iterate of half a training of the convolutional model."""

OTHERS: Mapping[str, Chain] = {
    name: [name]
    for name in (
        "median",
        "trimmed_mean",
        "meamed",
        "phocas",
        "krum",
        "multi_krum",
        "geometric_median",
        "centered_clipping",
        "mda",
        "monna",
        "smea",
        "cge",
        "caf",
        "bulyan",
        "dnc",
        "sign_guard",
    )
}
"""Rules by themselves, each once with every attack."""

ATTACKS: Mapping[str, Attack] = {
    "sign flip": {"name": "sign_flip"},
    "label flip": {"name": "label_flip"},
    "mimic": {"name": "mimic"},
    "ALIE": {"name": "alie"},
    "IPM": {"name": "ipm", "epsilon": 0.1},
    "min-max": {"name": "min_max"},
    "optimised ALIE": {"name": "optimised", "base": "alie"},
    "optimised IPM": {"name": "optimised", "base": "ipm"},
}
"""The grid's; the two last know the rule."""

PUBLISHED: Mapping[str, Attack] = {
    "sign flip": ATTACKS["sign flip"],
    "ALIE, ByzFL's search": {"name": "optimised", "base": "alie", "step": 10.0, "mirrored": True},
    "IPM, ByzFL's search": {"name": "optimised", "base": "ipm", "step": 10.0},
}
"""Those of ByzFL's heat maps.  Its line search begins at factor 10, where most rules leave the
liars out, and it looks at gradients; the grid's begins at 0.5 and finds what does more harm."""

DOWN = "optimised ALIE, gradients"
FINER: Mapping[str, Attack] = {
    DOWN: {"name": "optimised", "base": "alie", "mirrored": True},
    "optimised ALIE": ATTACKS["optimised ALIE"],
    "optimised IPM": ATTACKS["optimised IPM"],
}
"""What adds to gradients makes weights smaller, what adds to updates makes them larger: at the same
distance from the mean these are two attacks, and the second is the worse one for deep models."""

KNOWING: Mapping[str, Attack] = {
    "adaptive": {"name": "adaptive"},
    "Fang, Krum": {"name": "fang_krum"},
    "Fang, trimmed mean": {"name": "fang_trimmed_mean"},
    "optimised ALIE": ATTACKS["optimised ALIE"],
    "optimised IPM": ATTACKS["optimised IPM"],
}
"""Adaptive attacks: they know the rule, or the kind of rule."""

MORE: Mapping[str, Attack] = {
    "gaussian": {"name": "gaussian"},
    "zero": {"name": "zero"},
    "scaling": {"name": "scaling"},
    "min-sum": {"name": "min_sum"},
    "IPM 100": {"name": "ipm", "epsilon": 100.0},
    "half flip": {"name": "half_flip"},
    "free rider": {"name": "free_rider"},
    "huge": {"name": "huge"},
    "not finite": {"name": "not_finite"},
    "adaptive": KNOWING["adaptive"],
    "Fang, Krum": KNOWING["Fang, Krum"],
    "Fang, trimmed mean": KNOWING["Fang, trimmed mean"],
}

BUCKETING_PAPER = ("sign flip", "label flip", "mimic", "IPM", "ALIE")
"""Those under which centered clipping's accuracies are published (Karimireddy et al. 2022)."""

SCALED = "centered_clipping, tau scaled"
TAU = 1.0
"""Published: 10 for gradients of rate 0.01, times 1/(1 − β) for a sum that is not divided by that;
our momentum is divided by it, and its updates are ten times as long."""

ALL_CHAINS: Mapping[str, Chain] = {
    **CANDIDATES,
    **CHAINS,
    **OTHERS,
    SCALED: [{"name": "centered_clipping", "tau": TAU}],
}
ALL_ATTACKS: Mapping[str, Attack] = {**ATTACKS, **PUBLISHED, **FINER, **MORE}
