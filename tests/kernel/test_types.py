import math
from fractions import Fraction
from functools import reduce
from operator import add

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import means

from fedplat.types import (
    ClientData,
    Dataset,
    Mean,
    State,
    TrainSettings,
    client_id,
    merge,
    values,
)

BUNCH = st.lists(means(), min_size=1, max_size=8)


@given(bunch=BUNCH, data=st.data())
def test_means_merge_to_the_same_number_in_any_order(bunch, data):
    assert reduce(add, data.draw(st.permutations(bunch))) == reduce(add, bunch)


@given(bunch=BUNCH, cut=st.integers(0, 8))
def test_means_merge_to_the_same_number_in_any_grouping(bunch, cut):
    groups = [[{"loss": mean} for mean in part] for part in (bunch[:cut], bunch[cut:])]
    assert merge(map(merge, groups)) == merge([{"loss": mean} for mean in bunch])


def test_float_sums_depend_on_the_order_so_the_tests_above_have_teeth():
    numbers = [1e16, 1.0, -1e16]
    assert sum(numbers) == 0.0 != sum(sorted(numbers, key=abs, reverse=True))
    assert reduce(add, (Mean.of(x, 1) for x in numbers)).total == 1


def test_a_mean_of_means_would_be_wrong_where_clients_differ_in_size():
    small, large = Mean.of(1.0, 1), Mean.of(0.0, 9)
    assert (small + large).value == 0.1
    assert (small.value + large.value) / 2 == 0.5


def test_the_mean_of_nothing_is_none_not_nan():
    assert Mean.of(0.0, 0).value is None
    assert values({"loss": Mean(Fraction(0), 0)}) == {"loss": None}


@pytest.mark.parametrize("total", [math.nan, math.inf, -math.inf])
def test_a_mean_of_what_is_not_finite_is_refused(total):
    with pytest.raises((ValueError, OverflowError)):
        Mean.of(total, 1)


def test_metrics_merge_by_name_and_come_out_sorted():
    merged = merge([{"loss": Mean.of(1, 2)}, {"accuracy": Mean.of(3, 4), "loss": Mean.of(1, 2)}])
    assert list(merged) == ["accuracy", "loss"]
    assert values(merged) == {"accuracy": 0.75, "loss": 0.5}
    assert merge([]) == {}


def test_client_ids_sort_as_text_in_the_order_of_their_indices():
    ids = [client_id(index) for index in range(0, 1_000_000, 9973)]
    assert ids == sorted(ids, key=str.encode)
    assert ids[0] == "client-000000"


def data_set(samples: int) -> Dataset:
    targets = torch.arange(samples) % 3
    return Dataset(torch.rand(samples, 2), targets, classes=("a", "b", "c"), groups=targets)


def test_taking_samples_copies_them_in_the_order_asked_for():
    whole = data_set(6)
    part = whole.take(torch.tensor([4, 0, 4]))
    assert torch.equal(part.inputs, whole.inputs[[4, 0, 4]])
    assert part.targets.tolist() == part.groups.tolist() == [1, 0, 1]
    assert part.classes == whole.classes
    part.inputs.zero_()
    assert whole.inputs[4].any()


def test_taking_nothing_gives_an_empty_data_set():
    assert len(data_set(6).take(torch.empty(0, dtype=torch.int64))) == 0


def test_a_data_set_knows_the_width_of_the_models_last_layer():
    assert data_set(3).num_outputs == 3
    assert Dataset(torch.rand(5, 2), torch.rand(5, 4), "regression").num_outputs == 4


def test_a_split_is_found_by_its_name():
    data = ClientData(train=data_set(3), validation=data_set(2), test=data_set(1))
    assert [len(data.split(name)) for name in ("train", "validation", "test")] == [3, 2, 1]


@pytest.mark.parametrize(
    ("settings", "samples", "steps"),
    [
        (TrainSettings(epochs=1, batch_size=32), 64, 2),
        (TrainSettings(epochs=1, batch_size=32), 65, 3),
        (TrainSettings(epochs=3, batch_size=32), 1, 3),
        (TrainSettings(epochs=0), 64, 0),
        (TrainSettings(steps=5), 1, 5),
        (TrainSettings(steps=5), 0, 0),
        (TrainSettings(epochs=5), 0, 0),
    ],
)
def test_the_number_of_local_steps_counts_the_last_small_batch(settings, samples, steps):
    assert settings.num_steps(samples) == steps


def test_putting_into_a_state_makes_another_one():
    empty = State()
    full = empty.put(moment=torch.ones(1))
    assert "moment" in full
    assert "moment" not in empty
    assert list(full) == ["moment"]
