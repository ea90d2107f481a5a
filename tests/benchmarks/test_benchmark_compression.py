"""The compression benchmark: its arithmetic, what it counts, and one federation from end to end."""

import struct
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import compression
from benchmarks.compressing import clock, plans, plots, results, terngrad, train
from benchmarks.compressing.arms import FLOAT32, Arm, ecsq
from benchmarks.compressing.curve import Point, Reach, ratio_at, spread
from benchmarks.compressing.federation import VALIDATION, Federation
from benchmarks.compressing.grid import Study
from benchmarks.compressing.observed import EVERY, Observed
from benchmarks.compressing.session import Cell, Session
from benchmarks.compressing.summary import Compared, arm_row, encoding_rows, target_row
from benchmarks.compressing.ternary import Exchange
from benchmarks.figures import Report
from benchmarks.simulation.cells import Cells
from fedplat import codecs
from fedplat.params import Layout
from fedplat.protocols import SparseCodec, Stamp
from fedplat.types import TensorSpec

LAYOUT = Layout.of(
    [
        TensorSpec("a.weight", torch.float32, (40, 30)),
        TensorSpec("b.weight", torch.float32, (10, 40), role="head"),
    ]
)


def gradient(seed):
    return torch.randn(LAYOUT.dim, generator=torch.Generator().manual_seed(seed))


# ── curves ───────────────────────────────────────────────────────────────────────────────────────


def test_a_curve_is_linear_in_the_logarithm_of_the_ratio():
    points = [Point(1000.0, 2.0), Point(10.0, 0.0)]
    assert ratio_at(points, 1.0) == Reach(pytest.approx(100.0))
    assert ratio_at(points, 1.0) != Reach(505.0), "a straight line in the ratio itself"


def test_a_curve_starts_without_loss_at_ratio_one_and_is_never_extrapolated():
    assert ratio_at([Point(100.0, 2.0)], 1.0) == Reach(pytest.approx(10.0))
    assert ratio_at([Point(50.0, 0.4), Point(9.0, -0.1)], 1.0) == Reach(50.0, is_bound=True)
    assert ratio_at([], 1.0) is None


def test_of_a_curve_that_comes_back_the_first_crossing_counts():
    points = [Point(10.0, 2.0), Point(100.0, 0.5), Point(1000.0, 3.0)]
    assert ratio_at(points, 1.0).ratio < 10.0


def test_one_value_has_no_spread():
    assert spread([4.0]) == (4.0, 0.0)


# ── costs ────────────────────────────────────────────────────────────────────────────────────────


def rounds(*accuracies, up=1_000_000, down=500_000):
    return [
        {
            "accuracy": accuracy,
            "bytes_up": up,
            "bytes_down": down,
            "accepted": 10,
            "client_s": 2.0,
            "server_s": 0.5,
        }
        for accuracy in accuracies
    ]


def test_a_target_costs_all_rounds_up_to_the_first_that_reaches_it():
    cost = clock.until(rounds(0.5, 0.9, 0.8, 0.95), 0.9)
    assert (cost.rounds, cost.bytes_up, cost.size_bytes) == (2, 2_000_000, 3_000_000)
    assert clock.until(rounds(0.5, 0.6), 0.9) is None
    assert clock.until([], 0.9) is None


def test_a_round_takes_one_clients_link_its_work_and_the_coordinators():
    (seconds,) = clock.clock(rounds(0.5), 10)
    assert seconds == pytest.approx(150_000 * 8 / 10e6 + 2.0 + 0.5)
    slow, fast = (clock.clock(rounds(0.5, 0.5), link)[-1] for link in (2, 100))
    assert slow > 1.1 * fast


# ── what a codec is watched for ──────────────────────────────────────────────────────────────────


def test_watching_a_codec_changes_no_byte_and_counts_every_frame():
    plain = codecs.build({"name": "stc", "ratio": 0.05, "entropy": "raw"})
    observed = Observed(plain, {"rice": codecs.build({"name": "stc", "entropy": "rice"})})
    state, frames = plain.init(LAYOUT), []
    for number in range(EVERY + 1):
        stamp = Stamp(seed=number, round_id=number)
        frame, _ = observed.encode(gradient(number), LAYOUT, state, stamp)
        assert frame == plain.encode(gradient(number), LAYOUT, state, stamp)[0]
        assert torch.equal(observed.decode(frame, LAYOUT), plain.decode(frame, LAYOUT))
        frames.append(frame)
    found = observed.answer()
    assert found["frame_bytes"] == sum(map(len, frames))
    assert found["raw_bytes"] == 4 * LAYOUT.dim * len(frames)
    assert found["watched"] == {"raw": 8 * LAYOUT.dim, "frame": len(frames[0]) + len(frames[-1])}
    assert found["beside_bytes"]["rice"] > 0


def test_a_watched_codec_is_sparse_only_where_the_codec_is():
    sparse = Observed(codecs.build({"name": "stc", "ratio": 0.05, "entropy": "raw"}))
    frame, _ = sparse.encode(gradient(1), LAYOUT, sparse.init(LAYOUT), Stamp())
    assert isinstance(sparse, SparseCodec)
    assert len(sparse.decode_sparse(frame, LAYOUT).positions) == round(0.05 * LAYOUT.dim)
    dense = Observed(codecs.build({"name": "float32"}))
    frame, _ = dense.encode(gradient(1), LAYOUT, dense.init(LAYOUT), Stamp())
    assert torch.equal(dense.decode_sparse(frame, LAYOUT), gradient(1))


# ── TernGrad's workers ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("arm", ["own", "shared", "unclipped"])
def test_the_average_of_ternary_gradients_is_right_on_average(arm):
    exchange = Exchange.of(arm, LAYOUT, exact_head=False)
    values = [gradient(1), gradient(2)]
    means = torch.stack([exchange.mean(values, seed)[0] for seed in range(800)])
    wanted = torch.stack([v.clamp(-2.4, 2.4) for v in values]).mean(0)
    inside = (torch.stack(values).abs() < 2.3).all(0)
    error = (means.mean(0) - wanted)[inside].abs().mean()
    assert error < 0.06
    assert (means[0] - wanted)[inside].abs().mean() > 0.3, "one draw is far from it"


def test_a_shared_scale_puts_the_average_on_two_n_plus_one_levels():
    values = [gradient(seed) for seed in range(4)]
    for arm, most in (("shared", 9), ("own", 81)):
        mean, pushed = Exchange.of(arm, LAYOUT, exact_head=False).mean(values, 7)
        levels = len(mean[:1200].unique())
        assert (levels <= 9) == (arm == "shared")
        assert levels <= most
        assert len(pushed) == 4


def test_an_exact_head_is_the_plain_mean_and_the_rest_is_not():
    values = [gradient(1), gradient(2)]
    mean, _ = Exchange.of("shared", LAYOUT, exact_head=True).mean(values, 7)
    plain, nothing = Exchange.of("float32", LAYOUT, exact_head=False).mean(values, 7)
    head = LAYOUT.spans()["b.weight"]
    assert torch.allclose(mean[head], plain[head])
    assert not torch.allclose(mean[:1200], plain[:1200])
    assert nothing == []


# ── cells and figures ────────────────────────────────────────────────────────────────────────────


def test_every_cell_has_a_name_of_its_own():
    for plan in (plans.FULL, plans.QUICK):
        names = [cell.name for cell in plan.cells()]
        assert len(set(names)) == len(names)


def test_after_its_patience_a_session_begins_nothing_and_says_what_is_missing(tmp_path):
    session = Session(tmp_path, Cells(tmp_path, "one"), patience_s=-1.0)
    stored = Cells(tmp_path, "one").get("a", {}, lambda: {"found": 1})
    cells = [Cell("a", "nowhere", {}), Cell("b", "nowhere", {})]
    assert session.measure(cells) == {"a": stored}
    assert session.left_out == ["b"]


def test_a_cell_that_fails_is_told_and_the_others_go_on(tmp_path):
    session = Session(tmp_path, Cells(tmp_path / "cells", "one"), patience_s=100.0)
    assert session.measure([Cell("a", "benchmarks.no_such_module", {})]) == {}
    assert "no_such_module" in session.failures["a"]


STUDY = Study(
    "toy",
    Federation(model="2nn", rounds=2, seed=0),
    (FLOAT32, ecsq(4), ecsq(8), *plans.CORRECTED, *plans.PUBLISHED),
    (0, 1),
)


def cell(frame_bytes, validation, test, up=1_000):
    return {
        "test_accuracy": test,
        "wall_s": 1.0,
        "rounds": rounds(0.1, validation, up=up, down=up),
        "uplink": {
            "frames": 10,
            "raw_bytes": 100_000,
            "frame_bytes": frame_bytes,
            "watched": {"raw": 10_000, "frame": 100},
            "beside_bytes": {"huffman": 200, "addresses": 300, "context": 50},
            "claimed_bits": {"huffman": 400, "addresses": 800, "differences": 200},
            "encode_s": 0.1,
            "decode_s": 0.1,
        },
    }


def toy():
    """Float32 has 95 %; ECSQ loses 0.5 points at 100× and 2 at 1,000×; error feedback gains 1."""
    found = {}
    for seed in STUDY.seeds:
        found[STUDY.cell(FLOAT32, seed)] = cell(100_000, 0.94, 0.95, up=100_000)
        found[STUDY.cell(ecsq(4), seed)] = cell(1_000, 0.94, 0.945)
        found[STUDY.cell(ecsq(8), seed)] = cell(100, 0.93, 0.93)
        for arms, test in ((plans.CORRECTED, 0.95), (plans.PUBLISHED, 0.94)):
            found |= {STUDY.cell(arm, seed): cell(2_000, 0.94, test) for arm in arms}
    return found


def test_the_figures_follow_from_the_cells():
    plan = replace(plans.QUICK, curve=STUDY, targets=[(STUDY, 0.93)])
    report = Report("compression", {}, [])
    results.add_figures(report, plan, toy())
    figures = {figure.id: figure for figure in report.figures}
    assert figures["compression.ratio_at_1pt"].value == pytest.approx(10 ** (2 + 1 / 3))
    assert not figures["compression.ratio_at_1pt"].met
    assert figures["compression.ratio_at_3pt"].value == pytest.approx(1_000)
    assert figures["compression.fedzip_ef_gain_pt"].value == pytest.approx(1.0)
    assert figures["compression.terngrad_delta_pt"].value is None
    assert len(figures) == 5


def test_rows_show_losses_ratios_claims_and_costs():
    compared = Compared(STUDY, toy())
    row = arm_row(compared, ecsq(8))
    assert (row["ratio"], row["seeds"]) == (1_000, 2)
    assert row["lost_pt"] == pytest.approx(2.0)
    encodings = {row["encoding"]: row for row in encoding_rows(compared, plans.PUBLISHED[0])}
    assert encodings["differences"]["ratio"] == 100
    assert encodings["differences"]["claimed_ratio"] == 400
    assert encodings["context"]["claimed_ratio"] is None
    assert target_row(compared, ecsq(4), 0.93)["fewer bytes"] == pytest.approx(100)
    assert target_row(compared, ecsq(4), 0.99)["rounds"] is None


def test_what_was_not_measured_is_no_row_and_no_figure():
    compared = Compared(STUDY, {})
    assert arm_row(compared, FLOAT32) is None
    assert encoding_rows(compared, plans.PUBLISHED[0]) == []
    report = Report("compression", {}, [])
    results.add_figures(report, plans.QUICK, {})
    assert [figure.value for figure in report.figures] == [None] * 5


def test_pictures_are_drawn_of_what_was_measured_and_of_nothing_else(tmp_path):
    plan = replace(plans.QUICK, curve=STUDY, targets=[(STUDY, 0.93)])
    drawn = plots.draw(plan, toy(), tmp_path)
    assert [path.name for path in drawn] == ["compression-clock-2nn.svg", "compression-curves.svg"]
    before = [path.read_bytes() for path in drawn]
    assert [path.read_bytes() for path in plots.draw(plan, toy(), tmp_path)] == before
    assert plots.draw(plan, {}, tmp_path) == []


def test_without_mnist_it_says_what_is_missing_and_ends(tmp_path, capsys):
    assert compression.main(["--quick", "--data", str(tmp_path)]) == 2
    assert "--data DIR" in capsys.readouterr().err


# ── one federation ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def mnist_folder(tmp_path_factory):
    """MNIST's four files with images that only look like digits to a model."""
    folder = tmp_path_factory.mktemp("idx")
    generator = np.random.Generator(np.random.PCG64(7))
    prototypes = generator.integers(0, 256, (10, 28, 28))
    for prefix, count in (("train", VALIDATION + 400), ("t10k", 200)):
        labels = np.arange(count) % 10
        images = (prototypes[labels] + generator.integers(0, 256, (count, 28, 28))) // 2
        write_idx(folder / f"{prefix}-images-idx3-ubyte", images.astype("u1"))
        write_idx(folder / f"{prefix}-labels-idx1-ubyte", labels.astype("u1"))
    return folder


def write_idx(path, array):
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


SMALL = Federation(model="2nn", rounds=2, seed=3, samples=40)
LOSSLESS = Arm("lossless", {"name": "lossless", "entropy": "raw"})


@pytest.mark.slow
def test_a_lossless_codec_ends_in_the_model_of_float32_and_a_lossy_one_does_not(mnist_folder):
    arms = (FLOAT32, LOSSLESS, Arm("int8", {"name": "int8", "entropy": "raw"}))
    plain, lossless, rounded = (train.measure(train.spec(SMALL, arm), mnist_folder) for arm in arms)
    assert plain["digest"] == lossless["digest"] != rounded["digest"]
    assert plain["uplink"]["frame_bytes"] == plain["uplink"]["raw_bytes"] == 2 * 10 * 4 * 199_210
    assert [one["accepted"] for one in plain["rounds"]] == [10, 10]
    assert plain["rounds"][0]["bytes_up"] > 10 * 4 * 199_210
    assert plain["test_accuracy"] > 0.2


@pytest.mark.slow
def test_no_client_has_an_image_of_the_validation_set(mnist_folder):
    parts = SMALL.parts(mnist_folder)
    validation = {row.numpy().tobytes() for row in parts.work.central.inputs}
    used = [parts.shards.client(client).train.inputs for client in parts.shards]
    mine = {row.numpy().tobytes() for inputs in used for row in inputs}
    assert len(parts.work.central) == VALIDATION
    assert sum(map(len, used)) == 400
    assert not mine & validation


@pytest.mark.slow
def test_ternary_gradients_train_and_take_fewer_bits_than_their_levels(mnist_folder):
    training = terngrad.Training(workers=2, arm="shared", epochs=1, seed=5)
    found = terngrad.measure(training, mnist_folder)
    last = found["samples"][-1]
    assert found["steps"] == (VALIDATION + 400) // terngrad.BATCH
    assert found["test_accuracy"] > 0.6
    assert last["push_coded"] < last["push_packed"] < 1.62
    assert last["pull_coded"] < last["pull_levels"] < 2.33
    assert 0 < last["density"] < 0.5
