"""The benchmark's own loop, against the platform's simulation of the same federation."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.robust.course import Course
from benchmarks.robust.gradients import Convolutional, Placed, Plain, TwoLayers, gradients
from benchmarks.robust.setting import Setting
from fedplat.config import attacking
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


def simulated(parts):
    return run(parts.scenario, Options(executor="sequential"), parts=parts).params.vector


def ended(parts, rounds=ROUNDS, **options):
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
    liars = attacking.liars(parts.scenario)
    lying = np.array([client_id(i) in liars for i in range(CLIENTS)])
    names = [client_id(i) for i in range(CLIENTS)]
    course = Course(setting, gradients("mlp", SEED), mine, names, lying)
    for _ in range(rounds):
        course.advance()
    return course.model.weights


def test_the_loop_and_the_simulation_follow_the_same_course():
    parts = build(scenario())
    vector = simulated(parts)
    assert (ended(parts) - vector).abs().max() < 1e-5
    moved = (vector - parts.work.learner.initial().vector).abs().max()
    assert moved > 0.01  # the negative control: it went somewhere


def test_other_batches_lead_elsewhere():
    parts = build(scenario())
    assert (ended(parts, batch_size=24) - simulated(parts)).abs().max() > 1e-3


LIE = {"attack": {"name": "sign_flip"}, "honest": 4, "liars": 1, "momentum": 0.9}


@pytest.mark.parametrize(
    "attack", [{"name": "sign_flip"}, {"name": "label_flip"}, {"name": "optimised", "base": "ipm"}]
)
def test_under_attack_too_with_a_robust_rule_and_momentum(attack):
    parts = build(
        scenario(
            aggregator="arc | caf",
            num_byzantine=1,
            attack={**attack, "fraction": 0.2},
            clients={"count": CLIENTS, "momentum": 0.9},
        )
    )
    vector = simulated(parts)
    told = {**LIE, "attack": attack, "chain": ["arc", "caf"]}
    assert (ended(parts, **told) - vector).abs().max() < 1e-5
    assert (ended(parts, **told, lr=0.11) - vector).abs().max() > 1e-4


def test_liars_who_look_at_gradients_take_away_what_others_add():
    parts = build(scenario(attack={"name": "alie", "fraction": 0.2}))
    attack = {"name": "alie", "z": 1.0}
    up = ended(parts, **{**LIE, "attack": attack}, rounds=1)
    down = ended(parts, **{**LIE, "attack": {**attack, "mirrored": True}}, rounds=1)
    assert (up >= down).all()
    assert (up - down).max() > 1e-4


@pytest.mark.parametrize(("model", "kind"), [("mlp", TwoLayers), ("cnn", Convolutional)])
def test_fast_gradients_are_those_of_one_client_after_another(model, kind):
    fast, plain = gradients(model, 1), gradients(model, 1)
    assert isinstance(fast, kind)
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
