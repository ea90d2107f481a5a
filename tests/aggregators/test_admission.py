"""A chain that can not keep its promise is refused before a round is run."""

import pytest

from fedplat import aggregators
from fedplat.aggregators.admission import admit
from fedplat.errors import ConfigError, ToleranceError


def built(*stages: str, f: int = 2):
    return aggregators.build({"name": "chain", "stages": list(stages)}, f)


@pytest.mark.parametrize(
    ("chain", "enough"),
    [
        (("trimmed_mean",), 5),
        (("krum",), 7),
        (("bulyan",), 11),
        (("arc", "nnm", "trimmed_mean"), 5),
        (("bucketing", "krum"), 13),  # buckets of two: seven rows are left
        (("bucketing", "mda"), 9),
        (("mda",), 5),
        (("smea",), 5),
        (("median",), 1),
    ],
)
def test_a_chain_is_admitted_from_the_least_number_of_rows_on(chain, enough):
    admit(built(*chain), enough)
    if enough > 1:
        with pytest.raises(ToleranceError, match=f"n={enough - 1}|n={(enough) // 2}"):
            admit(built(*chain), enough - 1)


def test_too_many_sets_are_refused_without_trying_them():
    with pytest.raises(ToleranceError, match="at most 1,000,000 sets"):
        admit(built("mda", f=12), 60)


def test_what_depends_on_the_updates_is_not_tried():
    admit(built("dnc"), 7)  # rows that are all unlike would all be dropped


def test_more_rows_than_a_trial_takes_are_left_to_the_first_round():
    admit(built("trimmed_mean", f=500), 200)


@pytest.mark.parametrize(
    ("part", "f", "said"),
    [
        ({"name": "krum"}, None, "num_byzantine: .*krum has to know how many"),
        ({"name": "krm"}, 1, "did you mean 'krum'"),
        ({"name": "nnm"}, 1, "mixes rows only, so a rule must follow"),
        ({"name": "chain", "stages": ["krum", "median"]}, 1, "must be a chain's last part"),
        ({"name": "chain", "stages": []}, 1, "at least one rule"),
        ({"name": "krum", "num_byzantine": -1}, 1, "num_byzantine must be"),
        ({"name": "trimmed_mean", "share": 0.2}, 1, "unknown 'share'"),
    ],
)
def test_a_part_that_can_not_be_is_refused(part, f, said):
    with pytest.raises(ConfigError, match=said):
        aggregators.build(part, f)


def test_a_part_that_says_its_own_f_keeps_it():
    part = {"name": "chain", "stages": [{"name": "nnm", "num_byzantine": 1}, "trimmed_mean"]}
    chain = aggregators.build(part, 2)
    assert [chain.stages[0].num_byzantine, chain.rule.num_byzantine] == [1, 2]


def test_the_mean_alone_is_the_weighted_one_and_in_a_chain_the_plain_one():
    from fedplat.aggregators.average import Average
    from fedplat.aggregators.mean import Mean

    assert isinstance(aggregators.build({"name": "mean"}, 2), Mean)
    assert isinstance(built("nnm", "mean").rule, Average)
