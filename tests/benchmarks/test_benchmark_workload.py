"""The peers train on what we train on: a plain loop over the handed-out workload is our run."""

import json
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch

from benchmarks.simulation import parity, scenarios, workload
from benchmarks.simulation.engines import PEERS
from benchmarks.simulation.laps import Laps
from fedplat.config.build import build
from fedplat_sim.run import Options, run

ROUNDS = 2


@pytest.fixture(scope="module")
def mnist_folder(tmp_path_factory):
    """MNIST's four files with 4,000 and 500 images that only look like digits to a model."""
    folder = tmp_path_factory.mktemp("idx")
    generator = np.random.Generator(np.random.PCG64(7))
    prototypes = generator.integers(0, 256, (10, 28, 28))
    for prefix, count in (("train", 4_000), ("t10k", 500)):
        labels = np.arange(count) % 10
        images = (prototypes[labels] + generator.integers(0, 256, (count, 28, 28))) // 2
        write_idx(folder / f"{prefix}-images-idx3-ubyte", images.astype("u1"))
        write_idx(folder / f"{prefix}-labels-idx1-ubyte", labels.astype("u1"))
    return folder


def write_idx(path, array):
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


def plain_loop(folder, model):
    script = [sys.executable, PEERS / "run_torch.py", folder, model, "--rounds", str(ROUNDS)]
    return json.loads(subprocess.check_output(script, text=True).splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_a_plain_loop_over_the_workload_ends_with_the_model_of_our_run(
    mnist_folder, tmp_path, model
):
    workload.write(tmp_path, mnist_folder, ROUNDS)
    plain = plain_loop(tmp_path, model)
    laps, scenario = Laps(), scenarios.training(model, mnist_folder, ROUNDS)
    result = run(scenario, Options(executor="sequential"), [laps])
    moved = float((result.params.vector - build(scenario).work.cargo.initial.vector).norm())
    assert len(laps.seconds) == ROUNDS
    assert plain["accuracies"] == pytest.approx(laps.accuracies, abs=0.004)
    assert plain["moved"] == pytest.approx(moved, rel=1e-5)


@pytest.mark.slow
def test_with_another_order_of_cohorts_the_plain_loop_ends_elsewhere(mnist_folder, tmp_path):
    workload.write(tmp_path, mnist_folder, ROUNDS)
    ours = plain_loop(tmp_path, "mlp")
    described = json.loads((tmp_path / "workload.json").read_text())
    described["cohorts"].reverse()
    (tmp_path / "workload.json").write_text(json.dumps(described))
    assert plain_loop(tmp_path, "mlp")["moved"] != pytest.approx(ours["moved"], rel=1e-5)


def test_the_relative_error_of_equals_is_zero_and_of_one_percent_is_one_percent():
    exact = torch.linspace(-1, 1, 50, dtype=torch.float64)
    assert parity.relative_error(exact.clone(), exact) == 0.0
    assert parity.relative_error(1.01 * exact, exact) == pytest.approx(0.01)
