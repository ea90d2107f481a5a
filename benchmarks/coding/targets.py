"""What the issue asks of the codecs, as figures: functions of the rows that were measured."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from benchmarks.coding.arms import OURS
from benchmarks.figures import Report
from fedplat.codecs.frame import HEADER_BYTES

Row = Mapping[str, Any]
DEVELOPED_ON, JUDGED_ON = "cnn delta B", "cnn delta B, seed 1"
NORMAL = "normal"
DELTA_CODECS = tuple(name for name in OURS if name != "terngrad")  # its draws are noise to a coder
CODECS = ", ".join(OURS)


def sizes(report: Report, rows: Sequence[Row]) -> None:
    """The figures that are bytes over the i.i.d. reference; exact, on any machine."""
    ours = [row for row in rows if row["codec"] in OURS and row["vs_iid"] is not None]
    context = [row for row in ours if row["coder"] == "context"]
    real = [row for row in context if row["payload"] != NORMAL]
    delta = [row for row in real if row["codec"] in DELTA_CODECS]
    pinned = [row for row in delta if row["payload"] in (DEVELOPED_ON, JUDGED_ON)]
    others = [row for row in real if row not in pinned]
    _worst(
        report,
        "codec.iid.vs_bound",
        [row for row in context if row["payload"] == NORMAL],
        1.01,
        f"len(frame) over the i.i.d. reference, context coder, the worst of {CODECS} on normal "
        "values, in which there is nothing to find",
    )
    _worst(
        report,
        "codec.context.vs_bound",
        _of(delta, JUDGED_ON),
        0.65,
        f"the worst of {', '.join(DELTA_CODECS)} on {JUDGED_ON}: another client and another first "
        "model than the coder was developed on",
    )
    _worst(
        report,
        "codec.context.vs_bound_developed",
        _of(delta, DEVELOPED_ON),
        None,
        f"the same on {DEVELOPED_ON}, on which the coder was developed",
    )
    _worst(
        report,
        "codec.context.worst_vs_bound",
        others,
        0.9,
        f"the worst of {CODECS} on every other real payload, and of terngrad on these two",
    )
    _worst(
        report,
        "codec.context.worst_vs_bound_without_header",
        [{**row, "vs_iid": row["vs_iid"] - _header(row)} for row in others],
        None,
        f"the same without the {HEADER_BYTES} bytes of a frame's header, which weigh in small "
        "models' few hundred",
    )
    _worst(
        report,
        "codec.fedzip.frame_vs_iid_bound",
        [row for row in _of(real, JUDGED_ON) if row["codec"] == "fedzip"],
        0.8,
        f"FedZip as published, its ids by the context coder, on {JUDGED_ON}",
    )


def told(report: Report, rows: Sequence[Row]) -> None:
    """What is left of the reference for a coder that need not guess, where that is most."""
    real = [row for row in rows if "told_vs_iid" in row and row["payload"] != NORMAL]
    for name, what in (
        ("told", "the chance of every value to be drawn"),
        ("told_rows_columns", "the mean chance of each row and of each column"),
    ):
        most = max(real, key=lambda row: row[f"{name}_vs_iid"], default=None)
        report.figure(
            f"codec.terngrad.{name}_vs_bound",
            None if most is None else most[f"{name}_vs_iid"],
            "ratio",
            how=f"what TernGrad's draws take of the i.i.d. reference with a coder told {what}"
            f", signs a bit each; the most on real payloads{_on(most)}",
        )


def speeds(report: Report, rows: Sequence[Row]) -> None:
    """The context coder's speed, where it is slowest."""
    found = [
        (row[f"{way}_mb_s"], way, row)
        for row in rows
        if row["codec"] in OURS and row["coder"] == "context" and row["payload"] != NORMAL
        for way in ("encode", "decode")
        if f"{way}_mb_s" in row
    ]
    least = min(found, key=lambda one: one[0], default=None)
    how = "not measured"
    if least is not None:
        how = (
            f"the slowest way of {CODECS} with the context coder on any real payload: to "
            f"{least[1]} {least[2]['codec']} on {least[2]['payload']}, from and to float32"
        )
    value = None if least is None else least[0]
    report.figure("codec.context.mb_s", value, "MB/s", at_least=30, how=how)


def steps(report: Report, measured: Mapping[str, Mapping[str, Any]], how: str) -> None:
    """The figures of single steps; `measured` are `speeds.Measured` by step."""
    speed: Callable[[str, str], float] = lambda step, arm: measured[step]["speeds"][arm]  # noqa: E731
    value: Callable[[str, str], float] = lambda step, name: measured[step]["values"][name]  # noqa: E731
    report.figure(
        "codec.topk.mb_s",
        speed("top_k", "ours, exact"),
        "MB/s",
        at_least=1400,
        how=f"the largest 1 %, exactly; {how}",
    )
    for name, step, on, at_least in (
        ("codec.kmeans.speedup_vs_sklearn", "k_means", "1 M normal values", 300),
        ("codec.kmeans.speedup_vs_sklearn_delta", "k_means, delta", DEVELOPED_ON, None),
    ):
        error = value(step, "error_ratio")
        report.figure(
            name,
            value(step, "speedup") if error <= 1 else None,
            "ratio",
            at_least=at_least,
            how=f"15 clusters of {on}, one thread; sklearn's KMeans(15, n_init=1) over ours, whose "
            f"squared error is {error:.6f} of sklearn's",
        )
    report.figure(
        "codec.fast.encode_mb_s",
        speed("fast", "encode, stc"),
        "MB/s",
        at_least=500,
        how=f"top 1 % as ±mean with error feedback, gaps by pcodec, framed; {how}",
    )
    report.figure(
        "codec.fast.decode_accumulate_mb_s",
        speed("fast", "decode and accumulate, stc"),
        "MB/s",
        at_least=1000,
        how=f"the same frame checked, decoded and added to the mean's float64 sum; {how}",
    )
    report.figure(
        "codec.terngrad.quantise_mb_s",
        speed("terngrad", "clip and ternarise"),
        "MB/s",
        at_least=3000,
        how=f"σ, clipping, random ternarisation; {how}",
    )
    report.figure(
        "codec.terngrad.packing_vs_bound",
        value("terngrad", "bits"),
        "ratio",
        at_most=1.01,
        how="bits of a packed symbol over log2 3, symbols equally likely",
    )


def _header(row: Row) -> float:
    return HEADER_BYTES / row["bytes"] * float(row["vs_iid"])


def _of(rows: Iterable[Row], payload: str) -> list[Row]:
    return [row for row in rows if row["payload"] == payload]


def _worst(report: Report, name: str, rows: Sequence[Row], at_most: float | None, how: str) -> None:
    row = max(rows, key=lambda one: one["vs_iid"], default=None)
    value = None if row is None else row["vs_iid"]
    where = "" if row is None else f"; it is {row['codec']} on {row['payload']}"
    report.figure(name, value, "ratio", at_most=at_most, how=how + where)


def _on(row: Row | None) -> str:
    return "" if row is None else f": {row['payload']}"
