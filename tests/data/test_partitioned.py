"""Each client's three splits."""

import math
import os
import time
from fractions import Fraction
from itertools import chain

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedplat import data, rng
from fedplat.data.partition import partitioner
from fedplat.data.partitioned import SPLITS, PartitionedShards
from fedplat.errors import ConfigError
from fedplat.types import Dataset, client_id


def numbered(samples, features=3, groups=True):
    """Samples whose first feature is their own number."""
    inputs = torch.arange(samples, dtype=torch.float32)[:, None].repeat(1, features)
    owners = torch.arange(samples) if groups else None
    return Dataset(inputs, torch.arange(samples) % 2, classes=("a", "b"), groups=owners)


def dealt(dataset, clients, **options):
    rows = partitioner("iid")(dataset, clients, 1)
    return PartitionedShards(dataset, rows, seed=1, **options)


def seen(split):
    return split.inputs[:, 0].long().tolist()


fractions = st.sampled_from([0.0, 0.1, 0.2, 0.29, 0.3, 0.45, 0.5])


@given(
    samples=st.integers(1, 120),
    clients=st.integers(1, 6),
    features=st.integers(1, 33),
    validation=fractions,
    test=st.sampled_from([0.0, 0.1, 0.2, 0.49]),
)
def test_the_splits_of_all_clients_part_the_data(samples, clients, features, validation, test):
    clients = min(clients, samples)
    dataset = numbered(samples, features)
    shards = dealt(dataset, clients, client_validation=validation, client_test=test)
    splits = [shards.client(client).split(name) for client in shards for name in SPLITS]
    assert sorted(chain.from_iterable(map(seen, splits))) == list(range(samples))
    for split in splits:
        assert torch.equal(split.targets, dataset.targets[seen(split)])
        assert split.groups.tolist() == seen(split)
        assert split.classes == dataset.classes


@given(samples=st.integers(1, 200), validation=fractions, test=st.sampled_from([0.0, 0.2, 0.49]))
def test_splits_get_the_floor_of_their_fraction_and_training_at_least_one(
    samples, validation, test
):
    shards = dealt(numbered(samples), 1, client_validation=validation, client_test=test)
    one = shards.client(client_id(0))
    assert len(one.validation) == math.floor(samples * Fraction(str(validation)))
    assert len(one.test) == math.floor(samples * Fraction(str(test)))
    assert len(one.train) >= 1
    assert shards.samples(client_id(0)) == len(one.train)


@pytest.mark.parametrize("features", [1, 3, 16, 17])
def test_every_split_starts_on_64_bytes(features):
    shards = dealt(numbered(100, features), 7, client_validation=0.2, client_test=0.2)
    for client in shards:
        for name in SPLITS:
            assert shards.client(client).split(name).inputs.data_ptr() % 64 == 0


def test_plain_slices_would_not_start_on_64_bytes():
    assert numbered(100, 3).inputs[5:].data_ptr() % 64 != 0


def test_the_seed_draws_the_splits_and_each_client_has_a_stream_of_its_own():
    dataset = numbered(60)
    rows = partitioner("iid")(dataset, 3, 1)
    first, same, other = (
        PartitionedShards(dataset, rows, seed=seed, client_test=0.5) for seed in (1, 1, 2)
    )
    client = client_id(1)
    assert seen(first.client(client).test) == seen(same.client(client).test)
    assert seen(first.client(client).test) != seen(other.client(client).test)
    reordered = PartitionedShards(dataset, rows[:2], seed=1, client_test=0.5)
    assert seen(first.client(client).test) == seen(reordered.client(client).test)


def test_training_samples_are_shuffled_so_that_a_plain_loop_may_read_them_in_order():
    order = seen(dealt(numbered(60), 1).client(client_id(0)).train)
    assert order != sorted(order)


def test_a_client_is_a_view_and_not_a_copy():
    shards = dealt(numbered(60), 3)
    first, again = (shards.client(client_id(1)).train.inputs for _ in range(2))
    assert first.data_ptr() == again.data_ptr()


@pytest.mark.slow
def test_ten_thousand_registered_clients_cost_a_client_no_more_than_a_hundred():
    def cost(clients):
        shards = dealt(numbered(10_000, groups=False), clients, client_test=0.2)
        asked = [client_id(index) for index in range(100)]
        samples = []
        for _ in range(9):
            start = time.perf_counter()
            for client in asked:
                shards.client(client)
                shards.samples(client)
            samples.append(time.perf_counter() - start)
        return min(samples)

    assert cost(10_000) < 3 * cost(100)


def test_clients_beyond_the_shards_use_them_again_in_turn():
    dataset = numbered(40)
    rows = partitioner("iid")(dataset, 4, 1)
    shards = PartitionedShards(dataset, rows, seed=1, num_clients=10)
    assert len(shards) == 10
    assert seen(shards.client(client_id(9)).train) == seen(shards.client(client_id(1)).train)


def test_the_union_is_what_all_clients_train_on_and_nothing_else():
    shards = dealt(numbered(90), 4, client_validation=0.1, client_test=0.2)
    each = (seen(shards.client(client).train) for client in shards)
    assert seen(shards.union("train")) == list(chain.from_iterable(each))


def test_an_empty_shard_has_empty_splits():
    dataset = numbered(5)
    rows = (torch.arange(5), torch.arange(0))
    shards = PartitionedShards(dataset, rows, seed=1, client_test=0.2)
    assert shards.samples(client_id(1)) == 0
    assert [len(shards.client(client_id(1)).split(name)) for name in SPLITS] == [0, 0, 0]


def test_an_unknown_client_is_refused_by_its_name():
    with pytest.raises(ConfigError, match="no client 'client-000003' among 3"):
        dealt(numbered(9), 3).client(client_id(3))


@pytest.mark.parametrize(("validation", "test"), [(0.5, 0.5), (1.0, 0.0), (-0.1, 0.0)])
def test_fractions_that_leave_nothing_to_train_on_are_refused(validation, test):
    with pytest.raises(ValueError, match="client_validation"):
        dealt(numbered(9), 3, client_validation=validation, client_test=test)
    with pytest.raises(ConfigError, match="client_validation"):
        data.shards(numbered(9), "iid", num_clients=3, seed=1, validation=validation, test=test)


def test_processes_forked_later_share_the_samples():
    shards = dealt(numbered(60), 3)
    expected = sum(seen(shards.client(client_id(2)).train))
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, str(sum(seen(shards.client(client_id(2)).train))).encode())
        os._exit(0)
    os.wait()
    assert int(os.read(read, 100)) == expected
    os.close(read), os.close(write)


def test_a_feature_skew_changes_a_clients_inputs_and_nothing_else():
    generator = rng.generator(1, "images")
    dataset = Dataset(
        torch.rand(40, 1, 4, 4, generator=generator), torch.arange(40) % 2, classes=("a", "b")
    )
    part = {"name": "rotation", "degrees": [0.0, 180.0], "within": "iid"}
    plain = data.shards(dataset, "iid", num_clients=2, seed=1, test=0.2)
    skewed = data.shards(dataset, part, num_clients=2, seed=1, test=0.2)
    for name in SPLITS:
        before, after = (s.client(client_id(0)).split(name) for s in (plain, skewed))
        assert torch.equal(before.inputs, after.inputs)
        before, after = (s.client(client_id(1)).split(name) for s in (plain, skewed))
        assert torch.equal(before.inputs.flip(-1, -2), after.inputs)
        assert torch.equal(before.targets, after.targets)


def test_a_class_without_training_samples_is_refused_before_any_partitioner_runs():
    dataset = Dataset(torch.zeros(4, 1), torch.zeros(4, dtype=torch.int64), classes=("a", "b"))
    with pytest.raises(ConfigError, match="no client can have class 'b'"):
        data.shards(dataset, "iid", num_clients=2, seed=1)
