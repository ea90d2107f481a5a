"""The benchmark's own loop, against the platform's simulation of the same federation."""

from pathlib import Path

import numpy as np
import torch

from benchmarks.robust.course import Course
from benchmarks.robust.gradients import Placed, Plain, TwoLayers, gradients
from benchmarks.robust.setting import Setting
from fedplat.config import scenario as scenarios
from fedplat.config.build import build
from fedplat.types import client_id
from fedplat_sim.run import Options, run

EXCERPT = Path(__file__).parents[1] / "data" / "mnist-excerpt"
CLIENTS, ROUNDS, SEED = 5, 20, 3


def scenario(**keys):
    table = {
        "name": "course",
        "seed": SEED,
        "rounds": ROUNDS,
        "data": {
            "name": "mnist",
            "path": str(EXCERPT),
            "client_validation": 0.0,
            "client_test": 0.0,
            "normalize": [0.1307, 0.3081],
        },
        "clients": {"count": CLIENTS},
        "partition": {"name": "gamma_similarity", "gamma": 0.5},
        "model": {"name": "mlp", "hidden": [64]},
        "training": {"lr": 0.1, "weight_decay": 1e-4, "batch_size": 25, "steps": 1},
        "evaluation": {"every": 0, "federated": "never"},
    }
    return scenarios.parse({**table, **keys})


def ended(parts, **options):
    """The loop's weights after as many rounds."""
    setting = Setting(
        **{
            "chain": ["mean"],
            "honest": CLIENTS,
            "liars": 0,
            "momentum": 0.0,
            "seed": SEED,
            **options,
        }
    )
    mine = [parts.shards.client(client_id(i)).train for i in range(CLIENTS)]
    lying = np.arange(CLIENTS) >= setting.honest
    names = [client_id(i) for i in range(CLIENTS)]
    course = Course(setting, gradients("mlp", SEED), mine, names, lying)
    for _ in range(ROUNDS):
        course.advance()
    return course.model.weights


def test_the_loop_and_the_simulation_follow_the_same_course():
    parts = build(scenario())
    simulated = run(parts.scenario, Options(executor="sequential"), parts=parts).params.vector
    assert (ended(parts) - simulated).abs().max() < 1e-5
    moved = (simulated - parts.work.learner.initial().vector).abs().max()
    assert moved > 0.01  # the negative control: it went somewhere


def test_other_batches_lead_elsewhere():
    parts = build(scenario())
    simulated = run(parts.scenario, Options(executor="sequential"), parts=parts).params.vector
    assert (ended(parts, batch_size=24) - simulated).abs().max() > 1e-3


def test_gradients_of_all_clients_at_once_are_those_of_one_after_another():
    fast, plain = gradients("mlp", 1), gradients("mlp", 1)
    assert isinstance(fast, TwoLayers)
    drawn = torch.Generator().manual_seed(1)
    inputs = torch.randn(3, 7, 1, 28, 28, generator=drawn)
    targets = torch.randint(10, (3, 7), generator=drawn)
    found, expected = torch.empty(2, 3, len(fast.weights))
    fast.of(inputs, targets, found)
    Plain.of(plain, inputs, targets, expected)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_gradients_made_on_another_device_are_those_made_here():
    plain = gradients("cnn", 1)
    placed = Placed(plain._bound, torch.device("cpu"))
    drawn = torch.Generator().manual_seed(1)
    inputs = torch.randn(2, 3, 1, 28, 28, generator=drawn)
    targets = torch.randint(10, (2, 3), generator=drawn)
    found, expected = torch.empty(2, 2, len(plain.weights))
    placed.of(inputs, targets, found)
    plain.of(inputs, targets, expected)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)
    plain.weights.mul_(2)  # a step here is seen there
    flat, wanted = inputs.flatten(0, 1), targets.flatten()
    assert placed.accuracy(flat, wanted) == plain.accuracy(flat, wanted)


def test_the_convolutional_model_has_the_peers_size():
    assert len(gradients("cnn", 1).weights) == 431_080  # byzfl's cnn_mnist
