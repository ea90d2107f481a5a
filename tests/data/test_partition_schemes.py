"""What each partitioner adds to the promises of all."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_partitioners import CLASSES, CLIENTS, balanced, labelled, split

from fedplat.data.partition import partitioner
from fedplat.data.partition.feature_skew import rotated
from fedplat.errors import ConfigError


def sizes_of(shards):
    return [len(rows) for rows in shards]


def class_counts(dataset, shards):
    width = len(dataset.classes)
    return np.array([np.bincount(dataset.targets[rows], minlength=width) for rows in shards])


# ── iid and sizes ────────────────────────────────────────────────────────────────────────────────


@given(samples=st.integers(CLIENTS, 300))
def test_iid_shards_differ_by_one_sample_at_most(samples):
    sizes = sizes_of(split("iid", balanced(samples)))
    assert max(sizes) - min(sizes) <= 1


def test_linear_shares_are_one_to_n_with_the_rest_at_the_last():
    assert sizes_of(split("linear", balanced(157))) == [10, 20, 31, 41, 55]


def test_exponential_shares_grow_by_e():
    sizes = sizes_of(split("exponential", balanced(10_000)))
    ratios = [b / a for a, b in itertools.pairwise(sizes)]
    assert ratios == pytest.approx([math.e] * 4, rel=0.02)


def test_an_exponential_share_without_a_sample_is_refused():
    with pytest.raises(ConfigError, match="exponential shares of 480 samples leave client 0 of 40"):
        split("exponential", balanced(480, 40), clients=40)


def test_lognormal_sigma_zero_is_equal_and_a_larger_sigma_is_more_unequal():
    spread = [
        np.std(sizes_of(split("lognormal", balanced(5_000), clients=50, sigma=sigma)))
        for sigma in (0.0, 0.5, 1.5)
    ]
    assert spread[0] == 0
    assert spread[0] < spread[1] < spread[2]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), minimum=st.integers(1, 40))
def test_the_minimum_shard_size_is_honoured(seed, minimum):
    for name, options in (("lognormal", {"sigma": 1.0}), ("dirichlet", {"alpha": 0.8})):
        shards = split(name, balanced(), seed=seed, min_partition_size=minimum, **options)
        assert min(sizes_of(shards)) >= minimum


def test_the_minimum_is_what_does_it():
    shards = split("dirichlet", balanced(), alpha=0.1, min_partition_size=0, seed=3)
    assert min(sizes_of(shards)) < 10


@pytest.mark.parametrize(
    ("name", "options"), [("lognormal", {"sigma": 3.0}), ("dirichlet", {"alpha": 0.01})]
)
def test_a_minimum_that_draws_do_not_meet_is_refused_with_what_to_change(name, options):
    with pytest.raises(ConfigError, match="1000 draws gave some of 5 clients fewer than 95"):
        split(name, balanced(), min_partition_size=95, **options)


def test_a_minimum_that_can_not_be_met_is_refused_before_drawing():
    with pytest.raises(ConfigError, match="at least 100 samples each need 500 training samples"):
        split("dirichlet", balanced(), min_partition_size=100)


# ── label skew ───────────────────────────────────────────────────────────────────────────────────


def test_small_alpha_is_skewed_and_large_alpha_is_like_iid():
    dataset = balanced(4_000)
    skewed = class_counts(dataset, split("dirichlet", dataset, alpha=0.1))
    even = class_counts(dataset, split("dirichlet", dataset, alpha=1e4))
    assert (skewed == 0).sum() >= 3
    assert np.abs(even - 200).max() < 20


def test_a_class_share_follows_dirichlet_in_mean_and_variance():
    alpha, clients, draws = 0.5, 4, 1_500
    dataset = labelled(torch.zeros(1_000), clients)
    part = partitioner({"name": "dirichlet", "alpha": alpha, "min_partition_size": 0})
    shares = np.array([sizes_of(part(dataset, clients, seed)) for seed in range(draws)]) / 1_000
    variance = (1 / clients) * (1 - 1 / clients) / (clients * alpha + 1)
    assert shares.mean(axis=0) == pytest.approx([1 / clients] * clients, abs=0.03)
    assert shares.var(axis=0) == pytest.approx([variance] * clients, rel=0.12)


def test_each_client_may_have_a_concentration_of_its_own():
    dataset = balanced(4_000)
    counts = class_counts(dataset, split("dirichlet", dataset, clients=2, alpha=[900.0, 100.0]))
    assert counts.sum(axis=1) == pytest.approx([3_600, 400], rel=0.1)
    with pytest.raises(ConfigError, match="2 values for 5 clients"):
        split("dirichlet", dataset, alpha=[1.0, 2.0])


def test_self_balancing_bounds_the_largest_shard():
    dataset = balanced(4_000)
    plain, bounded = (
        max(
            max(sizes_of(split("dirichlet", dataset, alpha=0.2, seed=s, self_balancing=balancing)))
            for s in range(20)
        )
        for balancing in (False, True)
    )
    average, largest_class = 800, 1_000
    assert bounded <= average + largest_class < plain


@pytest.mark.parametrize("mode", ["random", "deterministic", "first-deterministic"])
@given(seed=st.integers(0, 100), wanted=st.integers(1, CLASSES))
@settings(max_examples=20, deadline=None)
def test_every_client_has_exactly_k_classes_in_equal_parts(mode, seed, wanted):
    dataset = balanced(960, 24)
    options = {"num_classes_per_partition": wanted, "class_assignment_mode": mode}
    counts = class_counts(dataset, split("pathological", dataset, 24, seed, **options))
    assert ((counts > 0).sum(axis=1) == wanted).all()
    for column in counts.T:
        assert np.ptp(column[column > 0]) <= 1


def test_deterministic_assignment_goes_round_in_a_circle():
    dataset = balanced()
    counts = class_counts(dataset, split("pathological", dataset))
    held = [set(np.flatnonzero(row)) for row in counts]
    assert held == [{0, 1}, {1, 2}, {2, 3}, {3, 0}, {0, 1}]


def test_first_deterministic_gives_client_i_class_i():
    dataset = balanced()
    options = {"class_assignment_mode": "first-deterministic"}
    counts = class_counts(dataset, split("pathological", dataset, **options))
    assert all(counts[client, client % CLASSES] > 0 for client in range(CLIENTS))


def test_a_class_that_no_client_has_is_refused_by_its_name():
    with pytest.raises(ConfigError, match="no client has class '2'; .*_per_partition`$"):
        split("pathological", balanced(), clients=1)


def test_chance_that_leaves_a_class_out_is_refused_with_the_mode_that_does_not():
    options = {"num_classes_per_partition": 1, "class_assignment_mode": "random"}
    with pytest.raises(ConfigError, match='or set `class_assignment_mode = "deterministic"`'):
        split("pathological", balanced(), clients=4, **options)
    options["class_assignment_mode"] = "deterministic"
    assert len(split("pathological", balanced(), clients=4, **options)) == 4


def test_a_class_with_fewer_samples_than_holders_is_refused():
    dataset = labelled([0] * 40 + [1] * 3)
    with pytest.raises(ConfigError, match="5 clients would share the 3 samples of class '1'"):
        split("pathological", dataset)


def test_more_classes_per_client_than_there_are_are_refused():
    with pytest.raises(ConfigError, match="5 classes per client, the data has 4"):
        split("pathological", balanced(), num_classes_per_partition=5)


def test_two_shards_each_of_sorted_data_leave_few_classes():
    dataset = balanced(4_000)
    counts = class_counts(dataset, split("shard", dataset, clients=20))
    assert counts.sum(axis=1).tolist() == [200] * 20
    assert (counts > 0).sum(axis=1).max() <= 2


def test_shards_that_do_not_come_out_even_are_dealt_out_whole():
    part = partitioner({"name": "shard", "shard_size": 100})
    sizes = sizes_of(part(balanced(1_150), 5, 1))
    assert sum(sizes) == 1_150
    assert [math.ceil(size / 100) for size in sizes] == [3, 3, 2, 2, 2]  # eleven of 100, one of 50


def test_fewer_blocks_than_clients_are_refused():
    with pytest.raises(ConfigError, match="12 samples do not make blocks for 5 clients"):
        split("shard", balanced(12), num_shards_per_partition=3)


def test_shard_takes_exactly_one_of_its_two_options():
    for options in ({}, {"num_shards_per_partition": 2, "shard_size": 5}):
        with pytest.raises(
            ConfigError, match="give one of num_shards_per_partition and shard_size"
        ):
            partitioner({"name": "shard", **options})


# ── natural owners ───────────────────────────────────────────────────────────────────────────────


def test_each_natural_owner_is_a_client():
    dataset = balanced()
    for owner, rows in enumerate(split("natural_id", dataset)):
        assert (dataset.groups[rows] == owner).all()


def test_a_count_that_is_not_the_number_of_owners_is_refused_with_that_number():
    with pytest.raises(ConfigError, match="3 clients, but the data names 5 natural owners"):
        split("natural_id", balanced(), clients=3)


# ── feature skew ─────────────────────────────────────────────────────────────────────────────────


def test_a_feature_skew_splits_like_the_partition_within():
    inner, outer = split("iid", balanced()), split("rotation", balanced())
    assert all(torch.equal(a, b) for a, b in zip(inner, outer, strict=True))


@pytest.mark.parametrize("shape", [(5, 5), (4, 6)])
def test_four_quarter_turns_are_the_image_itself(shape):
    images = torch.rand(3, 2, *shape, generator=torch.Generator().manual_seed(1))
    assert torch.equal(rotated(rotated(images, 180.0), 180.0), images)
    assert torch.equal(rotated(images, 360.0), images)
    assert torch.allclose(rotated(images, 0.001), images, atol=1e-3)


def test_rotation_by_interpolation_agrees_with_moving_pixels():
    images = torch.rand(2, 1, 9, 9, generator=torch.Generator().manual_seed(1))
    almost = rotated(images, 90.0 + 1e-4)
    assert torch.allclose(almost, images.rot90(1, (-2, -1)), atol=1e-3)


def test_rotation_forms_groups_by_the_listed_degrees():
    part = partitioner({"name": "rotation", "degrees": [0.0, 180.0], "within": "iid"})
    images = balanced().inputs[:4]
    assert torch.equal(part.transform(images, 2, 5, 1), images)
    assert torch.equal(part.transform(images, 3, 5, 1), images.flip(-1, -2))


def test_rotation_refuses_what_is_no_image():
    dataset = balanced()
    flat = type(dataset)(dataset.inputs.flatten(1), dataset.targets, classes=dataset.classes)
    with pytest.raises(ConfigError, match="rotation takes images"):
        split("rotation", flat)


def test_noise_has_the_papers_variance_and_grows_with_the_client():
    part = partitioner({"name": "noise", "sigma": 0.4, "within": "iid"})
    zeros = torch.zeros(40_000, 1)
    variances = [part.transform(zeros, client, 4, seed=1).var().item() for client in range(4)]
    assert variances == pytest.approx([0.1, 0.2, 0.3, 0.4], rel=0.05)
    assert not torch.equal(part.transform(zeros, 0, 4, 1), part.transform(zeros, 0, 4, 2))


# ── options ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("dirichelt", r"partition.name: unknown name 'dirichelt' \(did you mean 'dirichlet'"),
        ({"name": "dirichlet", "alhpa": 1.0}, r"no such option \(did you mean 'alpha'"),
        ({"name": "dirichlet"}, "partition.alpha: dirichlet needs this option"),
        ({"name": "dirichlet", "alpha": "0.5"}, "partition.alpha: must be a valid number"),
        ({"name": "dirichlet", "alpha": True}, "partition.alpha: must be a valid number"),
        ({"name": "dirichlet", "alpha": -1.0}, "alpha must be > 0, got -1.0"),
        ({"name": "dirichlet", "alpha": math.nan}, "alpha must be > 0, got nan"),
        ({"name": "dirichlet", "alpha": 1.0, "min_partition_size": -1}, "must be >= 0"),
        ({"name": "lognormal", "sigma": math.inf}, "sigma must be >= 0, got inf"),
        ({"name": "noise", "sigma": 0.0, "within": "iid"}, "sigma must be > 0"),
        ({"name": "noise", "sigma": 0.1, "within": "idd"}, "partition.within.name: unknown name"),
        ({"name": "noise", "sigma": 0.1, "within": 3}, "partition.within: must be an instance of"),
        ({"name": "rotation", "within": "iid"}, "give one of max_degrees and degrees"),
        (
            {"name": "pathological", "num_classes_per_partition": 2, "class_assignment_mode": "x"},
            "must be 'random', 'deterministic' or 'first-deterministic'",
        ),
        ({}, "partition.name: unknown name ''"),
    ],
)
def test_a_mistake_in_a_part_is_named(part, message):
    with pytest.raises(ConfigError, match=message):
        partitioner(part)
