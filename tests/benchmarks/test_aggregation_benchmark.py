"""benchmarks.aggregation: the same updates for all arms, and no rule left out."""

import numpy as np
import pytest

from benchmarks import aggregation
from benchmarks.aggregating import agreement, limits, rows
from benchmarks.aggregating.rules import LARGE, ONCE, SMALL, TIMED, chain
from fedplat.aggregators import BY_NAME
from fedplat.errors import ToleranceError

EVERY = (*TIMED, *ONCE, *SMALL)


def test_updates_are_a_function_of_their_number_alone():
    assert np.array_equal(rows.updates(6, 100, 2), rows.updates(6, 100, 2))
    assert rows.updates(6, 100, 2).dtype == np.float32


def test_liars_point_away_from_what_the_others_agree_on():
    updates = rows.updates(12, 10_000, 3).astype(np.float64)
    honest = updates[:9].mean(axis=0)
    assert all(updates[:9] @ honest > 0) and all(updates[9:] @ honest < 0)


def test_no_choice_between_updates_is_a_close_one():
    updates = rows.updates(12, 10_000, 2).astype(np.float64)
    norms = np.sort(np.linalg.norm(updates[:10], axis=1))
    assert (np.diff(norms) / norms[:-1]).min() > 1e-3


def test_every_rule_is_run_over_many_updates():
    measured = {str(part["name"]) for parts in LARGE.values() for part in parts}
    assert measured >= set(BY_NAME) - {"mean", "clipping"}


def test_every_figure_has_a_rule_that_is_timed_beside_byzfl():
    assert set(aggregation.TARGETS) == {rule.name for rule in TIMED if rule.byzfl}


def test_byzfl_is_told_the_same_number_of_liars():
    asked = {rule.name: rule.asked(7) for rule in EVERY}
    assert asked["nnm"] == [["NNM", {"f": 7}], ["TrMean", {"f": 7}]]
    assert asked["median"] == [["Median", {}]]


@pytest.mark.parametrize("rule", EVERY, ids=lambda rule: rule.name)
def test_our_side_of_each_pair_aggregates(rule):
    updates = rows.updates(12, 300, 2)
    found = agreement.fold(rule.chain(2), updates, 1)
    assert found.shape == (300,) and np.isfinite(found).all()


def test_a_chain_refuses_more_liars_than_its_rule_allows():
    with pytest.raises(ToleranceError, match="krum requires"):
        agreement.fold(chain([{"name": "krum"}], 5), rows.updates(12, 10, 5), 1)


def test_results_that_are_not_numbers_are_as_far_apart_as_can_be():
    ours = np.ones(3)
    assert agreement.difference(ours, ours) == 0
    assert agreement.difference(np.array([1, np.nan, 1]), ours) == float("inf")
    assert agreement.difference(np.array([1, 1, 2]), ours) == pytest.approx(3**-0.5)


def test_limits_are_measured_on_as_many_threads():
    updates = rows.updates(4, 1000, 1)
    assert limits.read_seconds(updates, 2) > 0
    assert limits.products_a_second(1) > 1e6
