"""The codecs that have a name: each a chain of stages, as published or as we would choose.

Each function gives the chain; its parameters are what a scenario may say.
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fedplat import check, parts
from fedplat.codecs.chain import Chain
from fedplat.codecs.stage import Entropy, Stage
from fedplat.errors import ConfigError

Part = str | Mapping[str, Any]

# Where each stage is.  They are loaded when they are used: compiled loops take a moment to import.
STAGES: Mapping[str, str] = {
    "bf16": "cast.Bf16",
    "clip_std": "clip_std.ClipStd",
    "dgc": "dgc.MomentumCorrection",
    "ecsq": "ecsq.Ecsq",
    "eden": "eden.Eden",
    "error_feedback": "error_feedback.ErrorFeedback",
    "fp16": "cast.Fp16",
    "grid": "grid.Grid",
    "int": "integer.Integer",
    "kmeans": "kmeans.KMeans",
    "low_rank": "low_rank.LowRank",
    "prune": "prune.Prune",
    "qsgd": "integer.Qsgd",
    "rand_k": "rand_k.RandK",
    "sign": "sign.Sign",
    "ternary": "ternary.Ternary",
    "threshold": "threshold.Threshold",
    "top_k": "top_k.TopK",
}
COMBINATORS = ("error_feedback", "dgc")  # they work on the stages behind them


def lossless(entropy: Part = "pco") -> Chain:
    """The update bit by bit, its float32 values entropy-coded."""
    return chained([], entropy)


def bf16(entropy: Part = "raw") -> Chain:
    """Values rounded to bfloat16: the upper half of a float32."""
    return chained([_stage("bf16")], entropy)


def int8(
    bits: int = 8,
    rounding: Literal["nearest", "stochastic"] = "nearest",
    error_feedback: bool = False,
    entropy: Part = "huffman",
) -> Chain:
    """Uniform quantisation to `bits` bits a value, one scale a tensor, entropy-coded."""
    return chained(_fed_back(error_feedback, _stage("int", bits=bits, rounding=rounding)), entropy)


def fedzip(
    keep: float = 0.2,
    clusters: int = 3,
    encoding: Part = "differences",
    error_feedback: bool = False,
) -> Chain:
    """FedZip: Top-z pruning, k-means of each tensor, then one of its three encodings.

    `encoding` is "huffman", "addresses" or "differences" (the paper's), or any entropy coder.
    Source: Malekijoo et al. 2021, "FedZip: A Compression Framework for Communication-Efficient
    Federated Learning", arXiv:2102.01593, as in the authors' code (k-means from linspace(min, max),
    four iterations).  Deviates: the encodings are formats that decode; theirs only add up bits.
    """
    stages = [_stage("prune", keep=keep), _stage("kmeans", clusters=clusters, method="lloyd")]
    return chained(_fed_back(error_feedback, *stages), encoding)


def terngrad(
    clip: float = 2.5,
    scale: Literal["own", "shared"] = "own",
    error_feedback: bool = False,
    entropy: Part = "raw",
) -> Chain:
    """TernGrad: each value −s, 0 or s at random so that its expectation stays, s a tensor's own.

    `clip` cuts off what lies beyond so many standard deviations first (inf: nothing).
    Source: Wen et al. 2017, "TernGrad: Ternary Gradients to Reduce Communication in Distributed
    Deep Learning", §3, §4.  arXiv:1705.07878.  Deviates: it is applied to a client's update.
    """
    return chained(_fed_back(error_feedback, _stage("ternary", clip=clip, scale=scale)), entropy)


def stc(ratio: float = 0.01, entropy: Part = "context") -> Chain:
    """Sparse ternary compression: the largest values as ±their mean, with error feedback.

    Source: Sattler et al. 2019, "Robust and Communication-Efficient Federated Learning from Non-IID
    Data", Algorithm 1.  arXiv:1903.02891.  Deviates: positions by `entropy` instead of Golomb codes
    ("rice" is Golomb's).
    """
    stages = [_stage("top_k", ratio=ratio), _stage("sign", scale="mean", scope="global")]
    return chained(_fed_back(True, *stages), entropy)


def ecsq(step: float = 4.0, error_feedback: bool = True, entropy: Part = "context") -> Chain:
    """Entropy-coded uniform quantisation with a dead zone; what is sparse follows from `step`.

    `step` is in units of the update's root mean square.
    Source: the architecture of ISO/IEC 15938-17 (Wiedemann et al. 2020, "DeepCABAC",
    arXiv:1907.11900); quantiser and coder are ours.
    """
    return chained(_fed_back(error_feedback, _stage("ecsq", step=step)), entropy)


def topk(ratio: float = 0.01, error_feedback: bool = True, entropy: Part = "pco") -> Chain:
    """The largest magnitudes of the whole update as they are, with error feedback.

    Source: Stich et al. 2018, "Sparsified SGD with Memory", Algorithm 1.  arXiv:1809.07599
    """
    return chained(_fed_back(error_feedback, _stage("top_k", ratio=ratio)), entropy)


def dgc(
    ratio: float = 0.001,
    momentum: float = 0.9,
    warmup_rounds: int = 4,
    clip_norm: float | None = None,
    entropy: Part = "pco",
) -> Chain:
    """Deep gradient compression: top-k with momentum correction and masking.

    The first `warmup_rounds` rounds send more: 25 %, 6.25 % … down to `ratio`.
    Source: Lin et al. 2018, "Deep Gradient Compression", §3.  arXiv:1712.01887.  Deviates: it is
    applied to a client's update instead of a gradient.
    """
    inner = (_stage("top_k", ratio=ratio),)
    settings = {"momentum": momentum, "warmup_rounds": warmup_rounds, "clip_norm": clip_norm}
    return chained([_stage("dgc", inner=inner, **settings)], entropy)


def eden(bits: int = 1, biased: bool = False, entropy: Part = "raw") -> Chain:
    """EDEN: a seeded random rotation, then the best few levels of a normal value.  Unbiased.

    Source: Vargaftik et al. 2022, "EDEN: Communication-Efficient and Robust Distributed Mean
    Estimation for Federated Learning", Algorithm 1.  arXiv:2108.08842
    """
    return chained([_stage("eden", bits=bits, biased=biased)], entropy)


def powersgd(rank: int = 2, entropy: Part = "raw") -> Chain:
    """PowerSGD: each matrix as a product of two narrow ones, with error feedback.

    Source: Vogels et al. 2019, "PowerSGD: Practical Low-Rank Gradient Compression for Distributed
    Optimization", Algorithms 1 and 2.  arXiv:1905.13727.  Deviates: there is no all-reduce between
    the two factors, so each client makes both of its own update.
    """
    return chained(_fed_back(True, _stage("low_rank", rank=rank)), entropy)


def qsgd(levels: int = 16, bucket: int = 512, entropy: Part = "rice") -> Chain:
    """QSGD: random rounding to `levels` levels of a bucket's norm.  Unbiased.

    Source: Alistarh et al. 2017, "QSGD: Communication-Efficient SGD via Gradient Quantization and
    Encoding", §3.1.  arXiv:1610.02132.  Deviates: `entropy` instead of Elias codes.
    """
    return chained([_stage("qsgd", levels=levels, bucket=bucket)], entropy)


def signsgd(error_feedback: bool = True, entropy: Part = "huffman") -> Chain:
    """The signs, times each tensor's mean magnitude; with error feedback unless told otherwise.

    Source: Karimireddy et al. 2019, "Error Feedback Fixes SignSGD and other Gradient Compression
    Schemes", Algorithm 1.  arXiv:1901.09847
    """
    return chained(_fed_back(error_feedback, _stage("sign", scale="mean", scope="tensor")), entropy)


def randk(ratio: float = 0.01, entropy: Part = "raw") -> Chain:
    """Values at random positions that follow from a seed, scaled up.  Unbiased; no positions sent.

    Source: Konečný et al. 2016, "Federated Learning: Strategies for Improving Communication
    Efficiency", §3 (subsampling).  arXiv:1610.05492
    """
    return chained([_stage("rand_k", ratio=ratio)], entropy)


def chain(stages: Sequence[Part]) -> Chain:
    """Any stages, in order; an entropy coder may stand at the end, else it is "auto".

    "error_feedback" and "dgc" work on all stages behind them.
    """
    from fedplat.codecs import entropy

    listed = [_part(one) for one in stages]
    last: Part = "auto"
    if listed and listed[-1]["name"] in entropy.BY_NAME:
        last = listed.pop()
    return chained(_stages(listed), last)


def chained(stages: Sequence[Stage], entropy: Part) -> Chain:
    """A chain of these stages with the entropy coder that `entropy` says."""
    return Chain(tuple(stages), _entropy(entropy))


def _stages(listed: Sequence[dict[str, Any]]) -> list[Stage]:
    for index, part in enumerate(listed):
        if part["name"] in COMBINATORS and "inner" not in part:
            inner = tuple(_stages(listed[index + 1 :]))
            return [*_stages(listed[:index]), _stage(**part, inner=inner)]
    return [_stage(**part) for part in listed]


def _fed_back(wanted: bool, *stages: Stage) -> list[Stage]:
    check.one_of(("True", "False"), error_feedback=str(wanted))
    return [_stage("error_feedback", inner=tuple(stages))] if wanted else list(stages)


def _part(part: Part) -> dict[str, Any]:
    table = {"name": part} if isinstance(part, str) else dict(part)
    if not isinstance(table.get("name"), str):
        raise ConfigError(where="codec", reason=f"a stage is a name or has one, got {part!r}")
    return table


def _stage(name: str, **settings: Any) -> Stage:
    if isinstance(inner := settings.get("inner"), list):
        settings["inner"] = tuple(_stages([_part(one) for one in inner]))
    if name not in STAGES:
        raise parts.unknown("codec stage", name, STAGES)
    module, _, kind = STAGES[name].rpartition(".")
    make = getattr(importlib.import_module(f"fedplat.codecs.{module}"), kind)
    stage: Stage = parts.build("codec stage", {name: make}, {"name": name, **settings})
    return stage


def _entropy(part: Part) -> Entropy:
    from fedplat.codecs import entropy

    return entropy.build(_part(part))
