"""The split between sorted by class and homogeneous."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_partitioners import CLASSES, balanced, labelled, split

from fedplat.data.partition import partitioner
from fedplat.errors import ConfigError


def classes_of(dataset, shards):
    return [sorted(set(dataset.targets[rows].tolist())) for rows in shards]


@given(samples=st.integers(8, 300), clients=st.integers(1, 8), gamma=st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_sizes_differ_by_one_sample_at_most(samples, clients, gamma):
    sizes = [
        len(rows) for rows in split("gamma_similarity", balanced(samples), clients, gamma=gamma)
    ]
    assert max(sizes) - min(sizes) <= 1


def test_gamma_zero_gives_as_many_clients_as_classes_one_class_each():
    dataset = balanced(400)
    shards = split("gamma_similarity", dataset, CLASSES, gamma=0.0)
    assert classes_of(dataset, shards) == [[0], [1], [2], [3]]


def test_gamma_one_gives_every_client_every_class():
    dataset = balanced(400)
    for seen in classes_of(dataset, split("gamma_similarity", dataset, CLASSES, gamma=1.0)):
        assert seen == [0, 1, 2, 3]


def test_a_clients_other_classes_make_up_the_fraction():
    dataset = balanced(40_000)
    shards = split("gamma_similarity", dataset, CLASSES, gamma=0.4)
    counts = np.array([np.bincount(dataset.targets[rows], minlength=CLASSES) for rows in shards])
    expected = 10_000 * (0.4 / CLASSES + 0.6 * np.eye(CLASSES))
    assert np.abs(counts - expected).max() < 200


def test_the_fraction_is_drawn_whatever_the_samples_order():
    dataset = labelled(torch.arange(400) // 100)  # sorted, as no file should be
    (first, *_) = split("gamma_similarity", dataset, CLASSES, gamma=0.5)
    drawn = dataset.targets[first][dataset.targets[first] > 0]
    assert set(drawn.tolist()) == {1, 2, 3}


@pytest.mark.parametrize("gamma", [-0.1, 1.01, float("nan"), float("inf")])
def test_a_fraction_outside_its_range_is_refused(gamma):
    with pytest.raises(ConfigError, match=r"gamma must lie in \[0, 1\]"):
        partitioner({"name": "gamma_similarity", "gamma": gamma})


def test_gamma_must_be_given():
    with pytest.raises(ConfigError, match="gamma_similarity needs this option"):
        partitioner("gamma_similarity")
