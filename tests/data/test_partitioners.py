"""Conformance: what every partitioner promises.  A new one needs one line of `EXAMPLES`."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedplat.data.partition import BY_NAME, partitioner
from fedplat.data.partition.partitioner import shards_of
from fedplat.errors import ConfigError
from fedplat.types import Dataset

EXAMPLES = {
    "iid": {},
    "dirichlet": {"alpha": 0.5, "min_partition_size": 1},
    "gamma_similarity": {"gamma": 0.5},
    "pathological": {"num_classes_per_partition": 2, "class_assignment_mode": "deterministic"},
    "shard": {"num_shards_per_partition": 2},
    "linear": {},
    "exponential": {},
    "lognormal": {"sigma": 0.5},
    "natural_id": {},
    "rotation": {"max_degrees": 30.0, "within": "iid"},
    "noise": {"sigma": 0.1, "within": {"name": "shard", "shard_size": 5}},
}
EVERY = pytest.mark.parametrize("name", sorted(BY_NAME))
CLIENTS, CLASSES, SAMPLES = 5, 4, 480


def labelled(labels, clients=CLIENTS):
    labels = torch.as_tensor(labels, dtype=torch.int64)
    classes = tuple(str(k) for k in range(int(labels.max()) + 1 if len(labels) else 1))
    groups = torch.arange(len(labels)) % clients
    inputs = torch.arange(len(labels) * 4, dtype=torch.float32).reshape(-1, 1, 2, 2)
    return Dataset(inputs, labels, classes=classes, groups=groups)


def balanced(samples=SAMPLES, clients=CLIENTS):
    return labelled(torch.arange(samples) % CLASSES, clients)


def split(name, dataset, clients=CLIENTS, seed=1, **options):
    part = partitioner({"name": name, **EXAMPLES[name], **options})
    return part(dataset, clients, seed)


def digest_of_all():
    digest = hashlib.sha256()
    for name in sorted(BY_NAME):
        for rows in split(name, balanced()):
            digest.update(rows.numpy().tobytes() + b"|")
    return digest.hexdigest()


def test_every_partitioner_is_under_test():
    assert EXAMPLES.keys() == BY_NAME.keys()


@EVERY
@settings(max_examples=25, deadline=None)
@given(clients=st.integers(1, 5), per_class=st.integers(40, 90), seed=st.integers(0, 2**32))
def test_every_sample_stands_in_exactly_one_shard(name, clients, per_class, seed):
    dataset = balanced(CLASSES * per_class, clients)
    # Two classes a client, two clients at least: else a class is left over, which is refused.
    more = {"num_classes_per_partition": CLASSES} if name == "pathological" else {}
    shards = split(name, dataset, clients, seed, **more)
    assert len(shards) == clients
    assert torch.equal(torch.cat(shards).sort().values, torch.arange(len(dataset)))


@EVERY
def test_no_shard_is_empty_and_each_is_ascending(name):
    for rows in split(name, balanced()):
        assert len(rows) >= 1
        assert rows.dtype == torch.int64
        assert (rows.diff() > 0).all()


@EVERY
def test_the_same_seed_gives_the_same_split(name):
    first, second = split(name, balanced()), split(name, balanced())
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", sorted(BY_NAME.keys() - {"natural_id"}))
def test_another_seed_gives_another_split(name):
    first, second = split(name, balanced()), split(name, balanced(), seed=2)
    assert any(not torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.slow
def test_the_split_does_not_depend_on_pythons_hash_seed():
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": str(root)}
    program = "import test_partitioners; print(test_partitioners.digest_of_all())"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == digest_of_all()


@EVERY
def test_more_clients_than_samples_are_refused(name):
    with pytest.raises(ConfigError, match=r"clients.count: 13 clients but 12 training samples"):
        split(name, balanced(12), clients=13)


@EVERY
def test_no_clients_are_refused(name):
    with pytest.raises(ConfigError, match="must be >= 1, got 0"):
        split(name, balanced(), clients=0)


@pytest.mark.parametrize("name", ["dirichlet", "gamma_similarity", "pathological", "shard"])
def test_a_class_without_samples_is_refused_by_its_name(name):
    dataset = balanced()
    gap = Dataset(dataset.inputs, dataset.targets, classes=("a", "b", "c", "d", "zebra"))
    with pytest.raises(ConfigError, match="no client can have class 'zebra'"):
        split(name, gap)


@pytest.mark.parametrize("name", ["dirichlet", "gamma_similarity", "pathological", "shard"])
def test_what_splits_by_class_refuses_a_regression_and_names_what_works(name):
    regression = Dataset(torch.zeros(100, 1, 2, 2), torch.zeros(100, 1), "regression")
    with pytest.raises(ConfigError, match='a regression has none; use "iid"'):
        split(name, regression)


@pytest.mark.parametrize("name", ["iid", "linear", "exponential", "lognormal", "noise", "rotation"])
def test_what_does_not_look_at_classes_splits_a_regression(name):
    regression = Dataset(torch.zeros(1000, 1, 2, 2), torch.zeros(1000, 1), "regression")
    shards = split(name, regression, **({"within": "iid"} if name == "noise" else {}))
    assert sum(map(len, shards)) == 1000


@EVERY
def test_one_class_and_one_client_are_a_federation_too(name):
    dataset = labelled(torch.zeros(40), clients=1)
    more = {"num_classes_per_partition": 1} if name == "pathological" else {}
    (rows,) = split(name, dataset, clients=1, **more)
    assert torch.equal(rows, torch.arange(40))


def test_an_owner_that_is_no_client_is_a_programmers_mistake():
    with pytest.raises(ValueError, match="owner 3 is none of 3 clients"):
        shards_of(np.array([0, 1, 3]), 3)
