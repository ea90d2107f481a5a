import pytest
from scipy import stats

from fedplat_sim.sweep.intervals import estimate, paired

OURS = {1: 0.91, 2: 0.88, 3: 0.93, 4: 0.90}
THEIRS = {1: 0.90, 2: 0.85, 3: 0.93, 4: 0.86}


def test_the_paired_interval_is_that_of_the_paired_t_test():
    found = paired(OURS, THEIRS)
    expected = stats.ttest_rel(list(OURS.values()), list(THEIRS.values())).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert found.n == 4


def test_the_pairs_are_made_by_seed_and_not_by_place():
    backwards = dict(reversed(THEIRS.items()))
    assert paired(OURS, backwards) == paired(OURS, THEIRS)


def test_pairing_takes_out_what_seeds_have_in_common():
    ours = {seed: 0.5 + 0.1 * seed + 0.01 * (seed % 2) for seed in range(1, 6)}
    theirs = {seed: 0.5 + 0.1 * seed for seed in range(1, 6)}
    spread = estimate(list(ours.values()))
    found = paired(ours, theirs)
    assert found.high - found.low < 0.1 * (spread.high - spread.low)


def test_one_seed_has_a_mean_and_no_interval():
    found = estimate([0.5])
    assert (found.mean, found.sd, found.low, found.high) == (0.5, None, None, None)


def test_no_seed_in_common_is_no_difference():
    assert estimate([]) is None
    assert paired({1: 0.5}, {2: 0.5}) is None


def test_equal_values_have_an_interval_of_no_width():
    found = estimate([0.25] * 3)
    assert (found.low, found.high) == (0.25, 0.25)
