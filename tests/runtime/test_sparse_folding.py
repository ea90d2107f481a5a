"""Sparse updates: folded where they are not 0, ahead or not, to what their vectors give."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedplat.aggregators import Mean
from fedplat.protocols import Sparse
from fedplat.runtime.folding import fold
from fedplat.runtime.folding_ahead import RowsAhead
from fedplat.types import Digest, client_id

DIM = 40


def sparse(seed, count):
    generator = np.random.default_rng(seed)
    positions = np.sort(generator.choice(DIM, count, replace=False))
    values = generator.normal(size=count).astype(np.float32)
    return Sparse(DIM, torch.from_numpy(positions), torch.from_numpy(values))


def dense(one):
    vector = torch.zeros(one.dim)
    vector[one.positions] = one.values
    return vector


def folded(updates, weights, rule=None):
    digests = [Digest(str(index)) for index in range(len(updates))]
    return fold(rule or Mean(), digests, weights, lambda digest: updates[int(digest)])


class WholeMean:
    """The mean, by a rule that knows vectors only."""

    def __init__(self):
        self._mean = Mean()
        self.init, self.add, self.finish = self._mean.init, self._mean.add, self._mean.finish


COUNTS = st.lists(st.integers(0, DIM), min_size=1, max_size=8)


@given(COUNTS)
def test_sparse_updates_give_the_mean_of_their_vectors(counts):
    updates = [sparse(seed, count) for seed, count in enumerate(counts)]
    weights = [float(1 + seed % 3) for seed in range(len(counts))]
    wanted = folded([dense(one) for one in updates], weights)
    assert torch.equal(folded(updates, weights), wanted)
    assert torch.equal(folded(updates, weights, WholeMean()), wanted)


@given(COUNTS, st.integers(0, 8))
def test_ahead_or_not_the_bits_are_the_same(counts, first):
    updates = [sparse(seed, count) for seed, count in enumerate(counts)]
    rows = [(client_id(i), Digest(str(i)), float(1 + i)) for i in range(len(counts))]
    ahead = RowsAhead(Mean(), DIM)
    ahead.add(rows[:first], updates[:first])
    ahead.add(rows[first:], updates[first:])
    whole = folded(updates, [weight for _, _, weight in rows])
    assert ahead.rows == rows
    assert ahead.finish().view(torch.int32).tolist() == whole.view(torch.int32).tolist()


def test_dense_and_sparse_updates_may_stand_in_one_fold():
    updates = [sparse(1, 3), dense(sparse(2, 30)), sparse(3, 0)]
    wanted = folded([dense(updates[0]), updates[1], torch.zeros(DIM)], [1.0, 2.0, 3.0])
    assert torch.equal(folded(updates, [1.0, 2.0, 3.0]), wanted)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), 2.0**54])
def test_a_weight_that_is_none_is_refused(weight):
    with pytest.raises(ValueError, match="weight"):
        Mean().add_sparse(Mean().init(DIM), sparse(0, 1), weight)


def test_a_sparse_update_of_another_length_is_refused():
    with pytest.raises(ValueError, match="an update of 3 values, got 40"):
        Mean().add_sparse(Mean().init(3), sparse(0, 1), 1.0)
