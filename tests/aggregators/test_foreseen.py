"""What liars foresee of a rule is what it gives, and the search finds what a full search finds."""

import numpy as np
import pytest

from fedplat.aggregators.arc import ARC
from fedplat.aggregators.bucketing import Bucketing
from fedplat.aggregators.centered_clipping import CenteredClipping
from fedplat.aggregators.dnc import DnC
from fedplat.aggregators.flame import FLAME
from fedplat.aggregators.fltrust import FLTrust
from fedplat.aggregators.foreseen import Foreseen
from fedplat.aggregators.geometric_median import GeometricMedian
from fedplat.aggregators.krum import Krum, multi_krum
from fedplat.aggregators.lasa import LASA
from fedplat.aggregators.median import Median
from fedplat.aggregators.nnm import NNM
from fedplat.aggregators.robust import Robust, aggregate
from fedplat.aggregators.sign_guard import SignGuard
from fedplat.aggregators.trimmed_mean import TrimmedMean
from fedplat.attacks.lies import Seen
from fedplat.attacks.optimised import Optimised
from fedplat.attacks.search import most_harmful

HONEST, LIARS, DIM = 10, 3, 300
BY_GEOMETRY = {
    "krum": [Krum(3)],
    "multi_krum": [multi_krum(3)],
    "geometric_median": [GeometricMedian()],
    "centered_clipping": [CenteredClipping()],
    "fltrust": [FLTrust()],
    "dnc": [DnC(3, coordinates=100)],
    "sign_guard": [SignGuard()],
    "flame": [FLAME(noise=0.0)],
    "arc | nnm | multi_krum": [ARC(3), NNM(3), multi_krum(3)],
}
BY_COLUMNS = {
    "median": [Median()],
    "trimmed_mean": [TrimmedMean(3)],
    "nnm | trimmed_mean": [NNM(3), TrimmedMean(3)],
    "bucketing | median": [Bucketing(2), Median()],
}
CHAINS = {**BY_GEOMETRY, **BY_COLUMNS, "lasa": [LASA()]}


def rows(n, dim=DIM, seed=0):
    drawn = np.random.Generator(np.random.PCG64(seed))
    return (0.5 + drawn.standard_normal((n, dim))).astype(np.float32)


def foreseen(name, **options):
    chain = None if name == "mean" else Robust.of(CHAINS[name])
    layers = (100, 200) if name == "lasa" else ()
    return Foreseen(chain, seed=5, reference=rows(1, seed=9)[0], layers=layers, **options)


def tried(rule, honest, start, direction, liars):
    """The harm of a factor, with all rows made and aggregated."""

    def harm(factor):
        lies = np.tile((start + factor * direction).astype(np.float32), (liars, 1))
        aggregate = rule(np.concatenate([honest, lies])).astype(np.float64)
        return float(np.linalg.norm(aggregate - honest.mean(axis=0, dtype=np.float64)))

    return harm


def view(dim=DIM):
    honest = rows(HONEST, dim)
    mean, std = honest.mean(axis=0, dtype=np.float64), honest.astype(np.float64).std(axis=0)
    return honest, mean, std


@pytest.mark.parametrize("name", [*CHAINS, "mean"])
def test_the_harm_that_is_foreseen_is_that_of_the_rule_over_all_rows(name):
    honest, mean, std = view()
    rule, directions = foreseen(name), np.stack([std, -mean])
    for direction, harm in zip(
        directions, rule.along(honest, mean, directions, LIARS), strict=True
    ):
        whole = tried(rule, honest, mean, direction, LIARS)
        for factor in (0.0, 0.3, 1.5, 40.0, 1e9):
            assert harm(factor) == pytest.approx(whole(factor), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("base", ["alie", "ipm"])
@pytest.mark.parametrize("name", BY_GEOMETRY)
def test_an_optimised_attack_finds_the_factor_that_a_search_over_all_rows_finds(name, base):
    honest, mean, std = view()
    rule, direction = foreseen(name), std if base == "alie" else -mean
    whole = tried(rule, honest, mean, direction, LIARS)
    expected, _ = most_harmful(whole, 0.5, 20)
    [harm] = rule.along(honest, mean, direction[None], LIARS)
    found, most = most_harmful(harm, 0.5, 20)
    assert harm(found) == pytest.approx(whole(found), rel=1e-4)
    if (name, base) == ("fltrust", "ipm"):  # it stretches rows: all factors below 1 are one
        assert whole(found) == pytest.approx(whole(expected), rel=1e-4)
    elif name == "dnc":  # which rows it drops changes abruptly, and a search may stop beside it
        assert whole(found) == pytest.approx(whole(expected), rel=0.01)
    else:
        assert found == pytest.approx(expected, rel=1e-3)
    lies = Optimised(base).craft(Seen(rows(LIARS, seed=1), honest, 0, aggregate=rule))
    np.testing.assert_allclose(lies[0], mean + found * direction, rtol=1e-4, atol=1e-4)
    if name not in ("dnc", "sign_guard", "flame"):  # these drop every lie of this kind but the mean
        assert most > harm(0.0)


@pytest.mark.parametrize("name", BY_COLUMNS)
def test_a_columnwise_rule_is_tried_on_some_columns_and_the_distance_is_that_of_all(name):
    honest, mean, std = view(dim=20_000)
    whole = foreseen(name, columns=20_000).along(honest, mean, std[None], LIARS)[0]
    some = foreseen(name).along(honest, mean, std[None], LIARS)[0]
    for factor in (0.5, 2.0):
        assert some(factor) == pytest.approx(whole(factor), rel=0.03, abs=1e-4)
        assert some(factor) != whole(factor)


def test_no_row_is_made_or_aggregated_by_a_trial():
    honest, mean, std = view()
    rule = foreseen("arc | nnm | multi_krum")
    [harm] = rule.along(honest, mean, std[None], LIARS)
    honest[:], std[:] = np.nan, np.nan  # all that a trial may look at was taken before
    assert np.isfinite(harm(1.0))


def test_an_aggregate_is_the_chains_own_and_a_round_that_it_abandons_has_none():
    every = rows(HONEST + LIARS)
    chain = Robust.of(CHAINS["krum"])
    assert np.array_equal(foreseen("krum")(every), aggregate(chain, every, seed=5).value)
    assert not foreseen("krum")(rows(5)).any()
    honest, mean, std = view()
    [harm] = foreseen("krum").along(honest[:4], mean, std[None], 1)
    assert harm(1.0) == pytest.approx(np.linalg.norm(honest[:4].mean(axis=0)), rel=1e-5)
    np.testing.assert_allclose(foreseen("mean")(every), every.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("name", [*CHAINS, "mean"])
def test_one_column_and_no_liar_are_enough(name):
    honest = np.linspace(1, 2, HONEST, dtype=np.float32)[:, None]
    rule = Foreseen(
        None if name == "mean" else Robust.of(CHAINS[name]), reference=np.ones(1, np.float32)
    )
    for harm in rule.along(honest, np.ones(1), np.ones((2, 1)), liars=0):
        assert np.isfinite(harm(3.0))


def test_noise_is_not_foreseen_and_a_rule_that_looks_at_layers_is_tried_with_them():
    honest, mean, std = view()
    quiet, noisy = (Foreseen(Robust.of([FLAME(noise)])) for noise in (0.0, 0.5))
    one, other = (rule.along(honest, mean, std[None], LIARS)[0] for rule in (quiet, noisy))
    assert one(0.3) == other(0.3)
    whole, parted = (Foreseen(Robust.of([LASA()]), layers=sizes) for sizes in ((), (100, 200)))
    one, other = (rule.along(honest, mean, std[None], LIARS)[0] for rule in (whole, parted))
    assert any(one(factor) != other(factor) for factor in (0.5, 1.0, 2.0, 4.0))


def test_rows_that_are_close_to_one_another_and_long_are_told_apart():
    honest, _, _ = view(dim=9000)
    honest = (1000 + honest).astype(np.float32)
    mean, std = honest.mean(axis=0, dtype=np.float64), honest.astype(np.float64).std(axis=0)
    rule = foreseen("multi_krum")
    [harm] = rule.along(honest, mean, std[None], LIARS)
    whole = tried(rule, honest, mean, std, LIARS)
    for factor in (0.5, 2.0):
        assert harm(factor) == pytest.approx(whole(factor), rel=1e-3, abs=5e-3)


def test_columns_are_a_whole_number_above_0():
    with pytest.raises(ValueError, match="columns"):
        Foreseen(None, columns=0)
