import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedplat import aggregators
from fedplat.aggregators.mean import Mean
from fedplat.aggregators.mean_kernel import CHUNK, FUSED, TILE
from fedplat.errors import ConfigError

WEIGHTS = st.one_of(
    st.integers(0, 2**53).map(float), st.floats(0, 1e6), st.just(5e-324), st.just(2.0**53)
)
VALUES = st.floats(width=32, allow_nan=False, allow_infinity=False)


def plain_loop(rows, weights):
    """The definition, one float64 operation at a time, in Python's own arithmetic."""
    mean = []
    for j in range(len(rows[0])):
        total = weight = None
        for row, w in zip(rows, weights, strict=True):
            product = w * float(row[j])
            total = product if total is None else total + product
            weight = w if weight is None else weight + w
        mean.append(np.float32(total / weight))
    return torch.from_numpy(np.array(mean, dtype=np.float32))


def one_by_one(rows, weights):
    state = Mean().init(len(rows[0]))
    for row, weight in zip(rows, weights, strict=True):
        state = Mean().add(state, row, weight)
    return Mean().finish(state)


def in_groups(rows, weights, sizes):
    state, start = Mean().init(len(rows[0])), 0
    for size in [*sizes, len(rows)]:
        state = Mean().add_many(state, rows[start : start + size], weights[start : start + size])
        start += size
    return Mean().finish(state)


def bits(vector):
    return vector.view(torch.int32).tolist()


@st.composite
def cohorts(draw):
    dim, clients = draw(st.integers(0, 5)), draw(st.integers(1, 11))
    rows = [
        torch.tensor(draw(st.lists(VALUES, min_size=dim, max_size=dim))) for _ in range(clients)
    ]
    weights = draw(st.lists(WEIGHTS, min_size=clients, max_size=clients))
    return [row.float() for row in rows], [*weights[:-1], weights[-1] + 1.0]


@given(cohorts(), st.lists(st.integers(0, 9), max_size=3))
def test_both_paths_give_the_bits_of_the_plain_loop_in_any_grouping(cohort, sizes):
    rows, weights = cohort
    expected = bits(plain_loop(rows, weights))
    assert bits(one_by_one(rows, weights)) == expected
    assert bits(in_groups(rows, weights, sizes)) == expected


@pytest.mark.parametrize("dim", [CHUNK - 1, CHUNK + 1, TILE, TILE + 1, 2 * TILE + CHUNK + 3])
@pytest.mark.parametrize("clients", [FUSED - 1, FUSED, 2 * FUSED + 3])
def test_both_paths_agree_over_the_edges_of_chunks_and_tiles(dim, clients):
    generator = torch.Generator().manual_seed(dim + clients)
    rows = [torch.randn(dim, generator=generator) for _ in range(clients)]
    weights = [1.0 + 997.3 * i for i in range(clients)]
    assert bits(in_groups(rows, weights, [])) == bits(one_by_one(rows, weights))


@pytest.mark.parametrize("dim", [1, 7, 8, 9, 1001])
def test_the_compiled_loop_fuses_nothing(dim):
    """A fused multiply-add keeps bits of the product that two operations round away."""
    generator = torch.Generator().manual_seed(5)
    rows = [torch.randn(dim, generator=generator) for _ in range(13)]
    weights = (torch.rand(13, generator=generator, dtype=torch.float64) * 1000).tolist()
    assert bits(in_groups(rows, weights, [])) == bits(plain_loop(rows, weights))


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=20), WEIGHTS.filter(lambda w: w >= 1))
def test_the_mean_of_one_update_is_that_update_bit_by_bit(values, weight):
    row = torch.tensor(values, dtype=torch.int32).view(torch.float32)
    row = torch.where(row.isfinite(), row, -0.0)
    assert bits(one_by_one([row], [weight])) == bits(row)


def test_summing_in_float32_depends_on_the_order_so_the_tests_above_have_teeth():
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randn(1000, generator=generator) for _ in range(20)]

    def in_float32(order):
        total = torch.zeros(1000)
        for i in order:
            total += rows[i] * (600.0 + i)
        return bits(total)

    assert in_float32(range(20)) != in_float32(reversed(range(20)))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_what_is_not_finite_reaches_the_result(value, weight):
    rows = [torch.tensor([1.0, 1.0]), torch.tensor([value, 1.0])]
    for mean in (one_by_one(rows, [1.0, weight]), in_groups(rows, [1.0, weight], [])):
        assert mean.isfinite().tolist() == [False, True]


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf, 1e30, np.nextafter(2.0**53, 1e300)])
def test_a_weight_that_is_no_count_is_refused(weight):
    state = Mean().init(1)
    with pytest.raises(ValueError, match="weight must be"):
        Mean().add(state, torch.ones(1), float(weight))
    with pytest.raises(ValueError, match="weight must be"):
        Mean().add_many(state, [torch.ones(1)], [float(weight)])


def test_no_update_or_no_weight_has_no_mean():
    with pytest.raises(ValueError, match=r"total_weight must be > 0, got 0\.0"):
        Mean().finish(Mean().init(3))
    with pytest.raises(ValueError, match="total_weight must be > 0"):
        one_by_one([torch.ones(3)], [0.0])


def test_an_update_of_another_length_is_refused():
    with pytest.raises(ValueError, match="an update of 3 values of float32, got 1"):
        Mean().add(Mean().init(3), torch.ones(1), 1.0)
    with pytest.raises(ValueError, match="an update of 3 values of float32, got 1"):
        Mean().add_many(Mean().init(3), [torch.ones(3), torch.ones(1)], [1.0, 1.0])


def test_an_update_of_another_dtype_is_refused():
    for add in (Mean().add, lambda state, row, w: Mean().add_many(state, [row], [w])):
        with pytest.raises(Exception, match="[Ff]loat32"):  # the tests' type checks come first
            add(Mean().init(2), torch.ones(2, dtype=torch.float64), 1.0)


def test_the_updates_are_left_as_they_were():
    rows = [torch.ones(4), torch.full((4,), 3.0)]
    one_by_one(rows, [1.0, 1.0])
    in_groups(rows, [1.0, 1.0], [])
    assert [row[0].item() for row in rows] == [1.0, 3.0]


def test_the_largest_float32_values_do_not_overflow():
    largest = torch.full((2,), torch.finfo(torch.float32).max)
    assert bits(one_by_one([largest, largest], [2.0**53, 2.0**53])) == bits(largest)


def test_a_rule_is_built_by_its_name_and_an_unknown_one_is_refused():
    assert aggregators.build({"name": "mean"}) == Mean()
    with pytest.raises(ConfigError, match=r"aggregator\.name: unknown 'maen'; did you mean 'mean'"):
        aggregators.build({"name": "maen"})
