"""What `benchmarks.codecs` measures, and that it measures it."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import codecs
from benchmarks.coding import (
    claims,
    measuring,
    memory,
    oracle,
    payloads,
    peers,
    plot,
    tables,
    targets,
)
from benchmarks.coding.arms import CODERS, PARTS, Arm
from benchmarks.coding.measuring import Depth, WrongError
from benchmarks.coding.payloads import Payload
from benchmarks.figures import ROOT, Report
from fedplat import rng

EXCERPT = ROOT / "tests" / "data" / "mnist-excerpt"


def payload(rows: int = 40, columns: int = 30) -> Payload:
    """A matrix whose large values stand in a few columns, and a bias."""
    values = torch.randn(rows, columns, generator=rng.generator(5, "payload"))
    values[:, ::7] *= 9
    return Payload.of("small", "made", {"matrix": values, "bias": torch.randn(7)})


# ── payloads ─────────────────────────────────────────────────────────────────────────────────────


def test_what_the_coder_was_developed_on_is_not_what_it_is_judged_on():
    names = {group: set() for group in ("developed", "judged", "made")}
    for recipe in payloads.recipes(quick=False):
        names[recipe.group] |= set(recipe.names)
    assert not names["developed"] & names["judged"]
    assert targets.DEVELOPED_ON in names["developed"] and targets.JUDGED_ON in names["judged"]
    assert targets.NORMAL in names["made"]


def test_the_quick_run_has_every_payload_that_a_figure_needs():
    names = {name for recipe in payloads.recipes(quick=True) for name in recipe.names}
    assert {targets.DEVELOPED_ON, targets.JUDGED_ON, targets.NORMAL} <= names


def test_a_payload_is_made_once_and_the_same_seed_gives_the_same_bits(tmp_path):
    recipe = next(one for one in payloads.RECIPES if one.name == "lenet5")
    (made,) = payloads.load([recipe], tmp_path, EXCERPT, "stamp")
    (again,) = payloads.load([recipe], tmp_path / "elsewhere", EXCERPT, "stamp")
    (kept,) = payloads.load([recipe], tmp_path, Path("/no/data/any/more"), "stamp")
    assert made.digest == again.digest == kept.digest
    assert made.layout == kept.layout and made.layout.dim == 61_706


def test_another_digest_is_another_payload():
    one, other = payload(), payload()
    other.vector[3] += 1
    assert one.digest != other.digest


# ── measuring ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("part", PARTS, ids=lambda part: "-".join(map(str, part.values())))
def test_every_codec_is_measured_with_every_entropy_coder(part):
    rows = measuring.measure(Arm(part, payload()), Depth(CODERS))
    assert {row["coder"] for row in rows} >= set(CODERS)
    assert len({row["nmse"] for row in rows}) == 1
    for row in rows:
        assert row["bytes"] > 64 and row["ratio"] == payload().size_bytes / row["bytes"]


def test_speeds_and_memory_are_of_the_coders_that_are_timed():
    rows = measuring.measure(
        Arm({"name": "stc", "ratio": 0.1}, payload()), Depth(("raw", "context"), ("context",), 1)
    )
    (context,) = [row for row in rows if "encode_mb_s" in row]
    assert context["coder"] == "context" and context["decode_mb_s"] > 0
    assert {"encode_peak", "decode_peak"} <= context.keys()


def test_what_loses_nothing_has_no_error_and_what_loses_all_has_error_one():
    arm = Arm({"name": "lossless"}, payload())
    assert measuring.errors(arm) == {"nmse": 0.0, "cosine": pytest.approx(1)}
    object.__setattr__(arm, "wanted", np.zeros(arm.payload.layout.dim, np.float32))
    assert measuring.errors(arm) == {"nmse": 1.0, "cosine": None}


def test_a_frame_that_decodes_to_something_else_is_no_result():
    arm = Arm({"name": "stc", "ratio": 0.1}, payload())
    coded = arm.coded("raw")
    measuring.check(coded, coded.encode())
    arm.wanted[0] += 1
    with pytest.raises(WrongError, match="decodes to something else"):
        measuring.check(coded, coded.encode())


@dataclass(frozen=True)
class Drifting:
    """A codec that gives other bytes each time."""

    arm: Arm
    inner: Any
    coder: str = "raw"

    def encode(self) -> bytes:
        return self.inner.encode() + bytes(1)

    def decode(self, frame: bytes) -> torch.Tensor:
        return self.inner.decode(frame)


def test_a_codec_whose_bytes_are_not_reproduced_is_no_result():
    arm = Arm({"name": "stc", "ratio": 0.1}, payload())
    inner = arm.coded("raw")
    with pytest.raises(WrongError, match="other bytes"):
        measuring.check(Drifting(arm, inner), inner.encode())


def test_the_peak_of_a_call_is_what_it_holds_at_most_beyond_what_was_held():
    held = np.ones(5_000_000)
    peak = memory.peak_bytes(lambda: np.ones(10_000_000).sum() + held[0])
    if peak is None:
        pytest.skip("this system does not tell")
    assert 79e6 < peak < 100e6
    assert memory.peak_bytes(lambda: held[0]) < 10e6


def test_fedzips_claims_stand_beside_frames_that_decode():
    arm = Arm({"name": "fedzip"}, payload())
    rows = claims.beside(arm, measuring.measure(arm, Depth(("context",))))
    assert [row["encoding"] for row in rows] == ["huffman", "addresses", "differences"]
    huffman, _, differences = rows
    assert huffman["claimed_bytes"] < huffman["frame_bytes"]  # these two can not be decoded
    assert differences["claimed_bytes"] < differences["frame_bytes"]
    assert claims.beside(Arm({"name": "stc"}, payload()), []) == []


def test_general_compressors_give_back_what_they_were_given():
    rows = peers.general(payload(), 1)
    assert [row["peer"] for row in rows] == [
        "gzip 6 of float32",
        "zstd 3 of float32",
        "zstd 3 of byte planes",
    ]
    assert all(row["nmse"] == 0 and row["ratio"] > 0.9 for row in rows)


# ── figures ──────────────────────────────────────────────────────────────────────────────────────


def row(codec: str, on: str, vs_iid: float, coder: str = "context", **more: float) -> dict:
    return {"codec": codec, "payload": on, "coder": coder, "vs_iid": vs_iid, "bytes": 640, **more}


ROWS = [
    row("stc", targets.JUDGED_ON, 0.5, encode_mb_s=90.0, decode_mb_s=31.0),
    row("fedzip", targets.JUDGED_ON, 0.6, encode_mb_s=50.0, decode_mb_s=70.0),
    row("stc", targets.JUDGED_ON, 0.9, coder="pco", encode_mb_s=1.0, decode_mb_s=1.0),
    row("int8", targets.JUDGED_ON, 0.99, encode_mb_s=2.0, decode_mb_s=2.0),
    row("stc", targets.DEVELOPED_ON, 0.4),
    row("stc", "resnet8", 0.95),
    row("stc", targets.NORMAL, 1.02, encode_mb_s=3.0, decode_mb_s=3.0),
]


def figures(rows: list[dict]) -> dict:
    report = Report("codecs", {}, ("benchmarks/codecs.py",))
    targets.sizes(report, rows)
    targets.speeds(report, rows)
    return {one.id: (one.value, one.met) for one in report.figures}


def test_each_figure_is_the_worst_of_its_rows_and_held_against_its_target():
    assert figures(ROWS) == {
        "codec.iid.vs_bound": (1.02, False),
        "codec.context.vs_bound": (0.6, True),
        "codec.context.vs_bound_developed": (0.4, None),
        "codec.context.worst_vs_bound": (0.95, False),
        "codec.context.worst_vs_bound_without_header": (pytest.approx(0.9 * 0.95), None),
        "codec.fedzip.frame_vs_iid_bound": (0.6, True),
        "codec.context.mb_s": (31.0, True),
    }


def test_what_was_not_measured_is_not_met():
    assert set(figures([]).values()) == {(None, None)}


def test_a_cluster_search_with_a_larger_error_has_no_speedup():
    speeds = {
        "top_k": {"speeds": {"ours, exact": 1.0}},
        "fast": {"speeds": {"encode, stc": 1.0, "decode and accumulate, stc": 1.0}},
        "terngrad": {"speeds": {"clip and ternarise": 1.0}, "values": {"bits": 1.0}},
    }
    found = {}
    for error in (1.0, 1.1):
        k_means = {"values": {"speedup": 400.0, "error_ratio": error}}
        both = {"k_means": k_means, "k_means, delta": k_means}
        report = Report("codecs", {}, ("benchmarks/codecs.py",))
        targets.steps(report, {**speeds, **both}, "here")
        named = {one.id: one.value for one in report.figures}
        found[error] = named["codec.kmeans.speedup_vs_sklearn"]
    assert found == {1.0: 400.0, 1.1: None}


# ── the run ──────────────────────────────────────────────────────────────────────────────────────


def test_without_data_it_says_where_they_are_to_be_had(tmp_path, capsys):
    assert codecs.main(["--data", str(tmp_path)]) == 2
    assert "--data DIR" in capsys.readouterr().err


def test_the_picture_shows_every_codec_and_is_the_same_every_time(tmp_path):
    shown = [
        {"payload": "b", "codec": name, "coder": coder, "ratio": ratio, "nmse": error}
        for name, error in (("stc", 0.5), ("lossless", 0.0))
        for coder, ratio in (("raw", 2.0), ("context", 3.0))
    ]
    paths = [tmp_path / "one.svg", tmp_path / "two.svg"]
    for path in paths:
        plot.draw(shown, "b", path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert b"stc" in paths[0].read_bytes()


def test_a_line_of_the_table_has_a_column_for_each_coder_and_says_which_took_least():
    arm = Arm({"name": "stc", "ratio": 0.1}, payload())
    rows = measuring.measure(arm, Depth(("raw", "context"), ("context",), 1))
    (line,) = tables.sizes(rows)
    assert line["least"] == min(rows, key=lambda one: one["bytes"])["coder"]
    assert {"raw_bytes", "context_bytes", "iid_bytes", "of_iid", "nmse"} <= line.keys()
    timed = list(tables.speeds(rows))
    assert [one["measured"].partition(",")[0] for one in timed] == ["encode", "decode"] * 2
    assert all("context" in one and "raw" not in one for one in timed)


def test_the_plans_name_codecs_payloads_and_coders_that_there_are():
    parts = {Arm(part, payload()).name for part in PARTS}
    for plan, quick in ((codecs.QUICK, True), (codecs.FULL, False)):
        names = {name for recipe in payloads.recipes(quick) for name in recipe.names}
        assert set(plan.usual) <= parts and set(plan.coders) <= set(CODERS)
        assert {*plan.widely, *plan.thorough, *plan.timed} <= names


def test_a_coder_that_is_told_all_chances_takes_what_drawing_them_holds():
    rows = oracle.told(arm := Arm({"name": "terngrad"}, payload()))
    assert len(rows) == 1
    assert rows[0]["told_bytes"] <= rows[0]["told_rows_columns_bytes"]
    values, expected = arm.payload.vector.double(), 0.0
    for one in values.split([spec.numel for spec in arm.payload.layout.flat]):
        scale = float(min(one.abs().max(), 2.5 * one.square().mean().sqrt()))
        for value in one.tolist():
            chance = min(1.0, abs(value) / scale)
            for part in (chance / 2, chance / 2, 1 - chance):  # +1, -1, 0
                expected -= part * math.log2(part) if part else 0
    assert rows[0]["told_bytes"] == round(expected / 8)
    assert oracle.told(Arm({"name": "stc"}, payload())) == []
