"""Attacks: what their papers say, how they stay hidden, and that the mean follows them."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from fedplat import attacks
from fedplat.attacks.alie import largest_z
from fedplat.attacks.lies import DataAttack, Seen, TimingAttack, UpdateAttack
from fedplat.errors import ConfigError

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
    name for name in attacks.BY_NAME if isinstance(attacks.build({"name": name}), UpdateAttack)
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
    assert np.isfinite(lies).all() == (name != "not_finite")
    if attack.knowledge == "own":
        blind = Seen(whole.own, np.full_like(whole.honest, np.nan), whole.seed)
        assert np.array_equal(attack.craft(blind), lies, equal_nan=True)


@EVERY
def test_the_same_seed_lies_the_same_and_nothing_that_was_seen_is_changed(name):
    whole, before = seen(aggregate=median_rule), seen()
    lies = craft(whole, name)
    assert np.array_equal(lies, craft(whole, name), equal_nan=True)
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
@pytest.mark.parametrize(("liars", "honest"), [(1, 1), (0, 4), (0, 1), (3, 0)])
@pytest.mark.parametrize("dim", [1, DIM])
@pytest.mark.parametrize("same", [False, True])
def test_one_client_no_liar_no_honest_one_and_equal_updates_are_lied_about(
    name, liars, honest, dim, same
):
    whole = seen(liars=liars, honest=honest)
    own, others = whole.own[:, :dim], whole.honest[:, :dim]
    if same:
        own, others = np.ones_like(own), np.ones_like(others)
    lies = craft(Seen(own, others, 7, aggregate=Tried(mean_rule)), name)
    assert lies.shape == (liars, dim) and lies.dtype == np.float32
    assert np.isfinite(lies).all() or name == "not_finite"


@EVERY
def test_a_liar_by_itself_lies_as_large_as_all_of_them_would(name):
    whole = seen(aggregate=median_rule)
    if attacks.build({"name": name}).knowledge == "own":
        alone = Seen(whole.own[1:2], whole.honest[:0], 7, clients=13, lying=3)
        assert (alone.count, alone.liars) == (13, 3)
    else:
        alone = Seen(whole.own[1:2], whole.honest, 7, lying=3, aggregate=whole.aggregate)
    lies, every = craft(alone, name), craft(whole, name)
    assert lies.shape == (1, DIM)
    if name not in ("gaussian", "free_rider", "fang_trimmed_mean"):  # these draw for each row
        assert np.array_equal(lies[0], every[1], equal_nan=True)


def test_numbers_of_clients_below_those_that_are_seen_are_refused():
    whole = seen()
    with pytest.raises(ValueError, match="more than"):
        Seen(whole.own, whole.honest, 0, clients=12)
    with pytest.raises(ValueError, match="more than"):
        Seen(whole.own, whole.honest, 0, lying=2)
    with pytest.raises(ValueError, match="width"):
        Seen(whole.own, whole.honest[:, :3], 0)
    view = Seen(whole.own, whole.honest, 0, clients=20, lying=5)
    assert (view.count, view.liars) == (20, 5)


def test_where_everybody_lies_their_own_updates_stand_for_the_honest_ones():
    whole = seen()
    assert np.array_equal(Seen(whole.own, whole.honest[:0], 0).mean(), whole.own.mean(0, float))
    assert np.array_equal(whole.mean(), whole.honest.mean(0, float))


def test_a_free_rider_sends_the_last_step_with_noise_and_nothing_of_its_own():
    whole, last = seen(), np.linspace(1, 2, DIM, dtype=np.float32)
    known = replace(whole, last=last)
    assert np.array_equal(craft(known, "free_rider", noise=0.0), np.tile(last, (LIARS, 1)))
    assert not craft(whole, "free_rider", noise=0.0).any()  # the first round
    noisy = craft(known, "free_rider", noise=0.1)
    assert 0.07 < (noisy - last).std() < 0.13 and len(np.unique(noisy[:, 0])) == LIARS
    random = craft(known, "free_rider", noise=0.1, disguise="random")
    np.testing.assert_allclose(random, noisy - last, atol=1e-6)
    other = replace(known, own=whole.own * 7)
    assert np.array_equal(craft(other, "free_rider", noise=0.1), noisy)


def test_what_is_not_finite_or_huge_is_so_in_every_coordinate():
    whole = seen()
    assert np.isnan(craft(whole, "not_finite")).all()
    assert np.isneginf(craft(whole, "not_finite", value="-inf")).all()
    assert (craft(whole, "huge") == np.float32(1e30)).all()
    with np.errstate(over="ignore"):
        assert np.isinf(np.float32((craft(whole, "huge")[0] ** 2).sum()))


def test_a_straggler_answers_late_or_never_and_says_nothing_else():
    never, late = (
        attacks.build({"name": "straggler"}),
        attacks.build({"name": "straggler", "late_s": 30.0}),
    )
    assert never.delay_s(1) is None and late.delay_s(1) == late.delay_s(2) == 30
    assert isinstance(late, TimingAttack)
    assert not isinstance(late, UpdateAttack) and not isinstance(late, DataAttack)


@pytest.mark.parametrize(
    ("part", "match"),
    [
        ({"name": "aile"}, "did you mean 'alie'"),
        ({"name": "alie", "zz": 1}, "did you mean 'z'"),
        ({"name": "ipm", "epsilon": -1}, "epsilon"),
        ({"name": "min_max", "direction": "up"}, "direction"),
        ({"name": "gaussian", "std": 0}, "std"),
        ({"name": "optimised", "trials": 0}, "trials"),
        ({"name": "adaptive", "step": 0}, "step"),
        ({"name": "fang_trimmed_mean", "b": 0.5}, "b must be >= 1"),
        ({"name": "free_rider", "disguise": "no"}, "disguise must be one of last, random"),
        ({"name": "not_finite", "value": "zero"}, "value must be one of"),
        ({"name": "huge", "value": 1e39}, "float32"),
        ({"name": "straggler", "late_s": -1}, "late_s"),
        ({"name": "backdoor", "share": 0}, "share"),
        ({"name": "backdoor", "size": 0}, "size"),
        ({"name": "backdoor", "value": float("nan")}, "value"),
        ({"name": "edge_case", "source": 3, "target": 3}, "source and target must differ"),
        ({"name": "edge_case", "target": -1}, "target"),
    ],
)
def test_wrong_settings_are_refused_with_what_is_wrong(part, match):
    with pytest.raises(ConfigError, match=match):
        attacks.build(part)
