"""Attacks: what their papers say, how they stay hidden, and that the mean follows them."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from fedplat import attacks
from fedplat.attacks.alie import largest_z
from fedplat.attacks.lies import DataAttack, Seen, UpdateAttack
from fedplat.errors import ConfigError
from fedplat.types import Dataset

LIARS, HONEST, DIM = 3, 10, 40


class Tried:
    """A rule that liars know: every trial makes all rows and aggregates them."""

    def __init__(self, rule):
        self.rule = rule

    def __call__(self, rows):
        return self.rule(rows)

    def along(self, honest, start, directions, liars):
        def harm(factor, direction):
            lies = np.tile((start + factor * direction).astype(np.float32), (liars, 1))
            aggregate = self.rule(np.concatenate([honest, lies])).astype(np.float64)
            return float(np.linalg.norm(aggregate - honest.mean(axis=0, dtype=np.float64)))

        return [partial(harm, direction=one) for one in directions]


def seen(seed=0, liars=LIARS, aggregate=None, honest=HONEST):
    drawn = np.random.Generator(np.random.PCG64(seed))
    centre = drawn.standard_normal(DIM)
    rows = (centre + drawn.standard_normal((liars + honest, DIM))).astype(np.float32)
    rule = None if aggregate is None else Tried(aggregate)
    return Seen(rows[:liars], rows[liars:], 7, aggregate=rule)


def mean_rule(rows):
    return rows.mean(axis=0)


def median_rule(rows):
    return np.median(rows, axis=0)


UPDATE_ATTACKS = [
    name for name in attacks.ATTACKS if isinstance(attacks.build({"name": name}), UpdateAttack)
]
EVERY = pytest.mark.parametrize("name", UPDATE_ATTACKS)


def craft(view, name, **settings):
    return attacks.build({"name": name, **settings}).craft(view)


@EVERY
def test_each_liar_sends_an_update_of_the_models_shape_and_reads_what_it_says_it_knows(name):
    attack = attacks.build({"name": name})
    whole = seen(aggregate=median_rule)
    lies = attack.craft(whole)
    assert lies.shape == whole.own.shape and lies.dtype == np.float32
    assert np.isfinite(lies).all()
    if attack.knowledge == "own":
        blind = Seen(whole.own, np.full_like(whole.honest, np.nan), whole.seed)
        assert np.array_equal(attack.craft(blind), lies)


@EVERY
def test_the_same_seed_lies_the_same_and_nothing_that_was_seen_is_changed(name):
    whole, before = seen(aggregate=median_rule), seen()
    lies = craft(whole, name)
    assert np.array_equal(lies, craft(whole, name))
    assert np.array_equal(whole.own, before.own) and np.array_equal(whole.honest, before.honest)


def test_formulas_are_those_of_the_papers():
    view = seen()
    honest = view.honest.astype(np.float64)
    mean, std = honest.mean(axis=0), honest.std(axis=0)
    np.testing.assert_array_equal(craft(view, "sign_flip", scale=2.0), -2 * view.own)
    np.testing.assert_array_equal(craft(view, "scaling", factor=5.0), 5 * view.own)
    np.testing.assert_allclose(craft(view, "scaling"), view.own * 13 / 3, rtol=1e-6)
    assert not craft(view, "zero").any()
    for lies, expected in (
        (craft(view, "alie", z=1.5), mean + 1.5 * std),
        (craft(view, "ipm", epsilon=0.5), -0.5 * mean),
    ):
        np.testing.assert_allclose(lies, np.tile(expected, (LIARS, 1)), rtol=1e-5, atol=1e-6)


def test_noise_has_the_deviation_that_was_asked_for():
    view = Seen(np.zeros((3, 20_000), np.float32), np.zeros((2, 20_000), np.float32), 1)
    noise = craft(view, "gaussian", std=5.0)
    assert noise.std() == pytest.approx(5, rel=0.02) and abs(noise.mean()) < 0.1


def test_alies_z_is_the_papers_for_its_own_example():
    assert largest_z(50, 24) == pytest.approx(1.43, abs=0.4)  # s = 2 of 26: Φ⁻¹(24/26)
    expected = math.erf(largest_z(50, 24) / math.sqrt(2)) / 2 + 0.5
    assert expected == pytest.approx(24 / 26)
    assert largest_z(10, 1) < largest_z(10, 3) < largest_z(10, 4)


def test_mimics_copy_one_honest_client_and_that_is_who_stands_out():
    view = seen()
    view.honest[6] += 30
    lies = craft(view, "mimic")
    assert (lies == view.honest[6]).all()


@pytest.mark.parametrize("direction", ["std", "sign", "unit"])
def test_min_max_lies_as_far_out_as_the_honest_are_apart_and_no_further(direction):
    view = seen()
    honest = view.honest.astype(np.float64)
    apart = max(((x - y) ** 2).sum() for x in honest for y in honest)
    lie = craft(view, "min_max", direction=direction)[0].astype(np.float64)
    furthest = max(((lie - x) ** 2).sum() for x in honest)
    assert 0.999 * apart <= furthest <= apart * (1 + 1e-6)


def test_min_sum_keeps_the_sum_of_squared_distances_below_the_honest_ones_largest():
    view = seen()
    honest = view.honest.astype(np.float64)
    largest = max(sum(((x - y) ** 2).sum() for y in honest) for x in honest)
    lie = craft(view, "min_sum")[0].astype(np.float64)
    assert 0.999 * largest <= ((lie - honest) ** 2).sum() <= largest * (1 + 1e-6)


@pytest.mark.parametrize("base", ["alie", "ipm"])
@pytest.mark.parametrize("rule", [mean_rule, median_rule])
def test_an_optimised_attack_does_at_least_the_harm_of_the_fixed_one(base, rule):
    view = seen(aggregate=rule)

    def harm(lies):
        rows = np.concatenate([view.honest, lies])
        return np.linalg.norm(rule(rows) - view.mean())

    fixed = craft(view, base, **({"z": 1.5} if base == "alie" else {"epsilon": 0.1}))
    assert harm(craft(view, "optimised", base=base)) >= harm(fixed) * 0.999


def test_an_attack_that_knows_the_rule_says_that_it_needs_it():
    with pytest.raises(ValueError, match="needs it"):
        craft(seen(), "optimised")


@pytest.mark.parametrize(
    "part", [{"name": "alie", "z": 5.0}, {"name": "ipm", "epsilon": 10.0}, {"name": "scaling"}]
)
def test_the_mean_follows_the_liars(part):
    view = seen()
    rows = np.concatenate([view.honest, attacks.build(part).craft(view)])
    harm = np.linalg.norm(rows.mean(axis=0) - view.mean())
    usual = np.linalg.norm(view.honest[:3].mean(axis=0) - view.mean())
    assert harm > usual


@EVERY
def test_one_honest_client_and_one_liar_are_enough(name):
    lies = craft(seen(liars=1, honest=1, aggregate=mean_rule), name)
    assert lies.shape == (1, DIM) and np.isfinite(lies).all()


def test_labels_are_turned_around_and_nothing_else():
    data = Dataset(torch.rand(6, 2), torch.tensor([0, 1, 2, 3, 0, 3]), classes=tuple("abcd"))
    attack = attacks.build({"name": "label_flip"})
    assert isinstance(attack, DataAttack)
    poisoned = attack.poison(data, seed=1)
    assert poisoned.targets.tolist() == [3, 2, 1, 0, 3, 0]
    assert torch.equal(poisoned.inputs, data.inputs)
    assert attack.poison(poisoned, seed=1).targets.tolist() == data.targets.tolist()
    with pytest.raises(ValueError, match="regression"):
        attack.poison(Dataset(torch.rand(2, 2), torch.rand(2, 1), "regression"), seed=1)


@pytest.mark.parametrize(
    ("part", "match"),
    [
        ({"name": "aile"}, "did you mean 'alie'"),
        ({"name": "alie", "zz": 1}, "did you mean 'z'"),
        ({"name": "ipm", "epsilon": -1}, "epsilon"),
        ({"name": "min_max", "direction": "up"}, "direction"),
        ({"name": "gaussian", "std": 0}, "std"),
        ({"name": "optimised", "trials": 0}, "trials"),
    ],
)
def test_wrong_settings_are_refused_with_what_is_wrong(part, match):
    with pytest.raises(ConfigError, match=match):
        attacks.build(part)
