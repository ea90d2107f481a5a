"""Which of our rules stands beside which of ByzFL's and Flower's, and where they differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedplat.aggregators import build
from fedplat.aggregators.robust import Robust

Spec = Mapping[str, Any]

STARTS = (
    "the steps begin at the origin there and at the mean here, and three do not converge; once "
    "both have converged they agree"
)
NEIGHBOURS = (
    "scores are sums over the n - f - 1 nearest there, over n - f - 2, as in the paper, here: "
    "another update can be the best one"
)
DRAWN = (
    "the direction is one power iteration from a random start there, so the result changes from "
    "call to call; here it is the eigenvector"
)


@dataclass(frozen=True)
class Compared:
    """A rule of ours and what others call the same.

    `ours` and `byzfl` are chains of parts without f, which stands for itself where it is asked for;
    `flower` is one of `run_flower_rules`'s arms; `differs` says why results differ from ByzFL's,
    `ties` in which columns they can differ although the definition is one.
    """

    name: str
    ours: Sequence[Spec]
    byzfl: Sequence[tuple[str, Spec]] = ()
    flower: str = ""
    differs: str = ""
    ties: str = ""

    def chain(self, f: int) -> Robust:
        return chain(self.ours, f)

    def asked(self, f: int) -> list[list[Any]]:
        """What ByzFL's process is told: its classes and their arguments."""
        return [
            [kind, {key: f if value == "f" else value for key, value in spec.items()}]
            for kind, spec in self.byzfl
        ]


def chain(parts: Sequence[Spec], f: int) -> Robust:
    """Our rule, as a scenario makes it."""
    made = build({"name": "chain", "stages": list(parts)}, f)
    assert isinstance(made, Robust)
    return made


F = {"f": "f"}
NEAREST = (
    "where two values are as near to the median, the lower one counts here, and there what "
    "float32's rounding makes nearer"
)
TIMED = (
    Compared("median", [{"name": "median"}], [("Median", {})], "median"),
    Compared("trimmed_mean", [{"name": "trimmed_mean"}], [("TrMean", F)], "trimmed_mean"),
    Compared("meamed", [{"name": "meamed"}], [("Meamed", F)], ties=NEAREST),
    Compared("krum", [{"name": "krum"}], [("Krum", F)], "krum", NEIGHBOURS),
    Compared("multikrum", [{"name": "multi_krum"}], [("MultiKrum", F)], "multikrum", NEIGHBOURS),
    Compared(
        "geometric_median",
        [{"name": "geometric_median", "smoothing": 0.1, "iterations": 3, "tolerance": 0.0}],
        [("GeometricMedian", {"nu": 0.1, "T": 3})],
        differs=STARTS,
    ),
    Compared(
        "nnm",
        [{"name": "nnm"}, {"name": "trimmed_mean"}],
        [("NNM", F), ("TrMean", F)],
    ),
)
ONCE = (
    Compared(
        "geometric_median, converged",
        [{"name": "geometric_median", "smoothing": 0.1}],
        [("GeometricMedian", {"nu": 0.1, "T": 30})],
    ),
    Compared("nnm | mean", [{"name": "nnm"}, {"name": "mean"}], [("NNM", F), ("Average", {})]),
    Compared(
        "centered_clipping",
        [{"name": "centered_clipping", "tau": 100.0, "iterations": 1}],
        [("CenteredClipping", {"L": 1, "tau": 100.0})],
    ),
    Compared("monna", [{"name": "monna"}], [("MoNNA", F)]),
    Compared("caf", [{"name": "caf"}], [("CAF", F)], differs=DRAWN),
    Compared(
        "clipping | mean",
        [{"name": "clipping", "norm": 100.0}, {"name": "mean"}],
        [("Clipping", {"c": 100.0}), ("Average", {})],
    ),
    Compared(
        "arc | nnm | trimmed_mean",
        [{"name": "arc"}, {"name": "nnm"}, {"name": "trimmed_mean"}],
        [("ARC", F), ("NNM", F), ("TrMean", F)],
    ),
    Compared("bulyan", [{"name": "bulyan"}], flower="bulyan", ties=NEAREST),
)
SMALL = (
    Compared("mda", [{"name": "mda"}], [("MDA", F)]),
    Compared("smea", [{"name": "smea"}], [("SMEA", F)], differs=DRAWN),
)
LARGE: Mapping[str, Sequence[Spec]] = {
    **{
        name: [{"name": name}]
        for name in (
            "median",
            "trimmed_mean",
            "meamed",
            "phocas",
            "sign_majority",
            "krum",
            "multi_krum",
            "bulyan",
            "geometric_median",
            "mda",
            "smea",
            "cge",
            "monna",
            "caf",
            "dnc",
            "sign_guard",
            "flame",
            "lasa",
        )
    },
    "norm_bound": [{"name": "norm_bound", "norm": 100.0}],
    "centered_clipping": [{"name": "centered_clipping"}],
    "fltrust": [{"name": "fltrust"}],
    "nnm | trimmed_mean": [{"name": "nnm"}, {"name": "trimmed_mean"}],
    "bucketing | median": [{"name": "bucketing"}, {"name": "median"}],
    "arc | nnm | trimmed_mean": [{"name": "arc"}, {"name": "nnm"}, {"name": "trimmed_mean"}],
    "arc | nnm | krum": [{"name": "arc"}, {"name": "nnm"}, {"name": "krum"}],
}
