import random
import weakref
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from fedplat.aggregators.mean import Mean
from fedplat.codecs.float32 import Float32
from fedplat.params import Layout
from fedplat.protocols import Stamp
from fedplat.runtime import folding
from fedplat.runtime.folding import Encoded, InMemory, fold
from fedplat.storage.files import FileBlobs
from fedplat.storage.memory import MemoryBlobs
from fedplat.types import State, TensorSpec


def cohort(clients, dim):
    generator = torch.Generator().manual_seed(clients * dim)
    rows = [torch.randn(dim, generator=generator) for _ in range(clients)]
    weights = torch.randint(1, 1000, (clients,), generator=generator).double().tolist()
    return rows, weights


def plain_loop(rows, weights):
    total = rows[0].numpy().astype(np.float64) * weights[0]
    for row, weight in zip(rows[1:], weights[1:], strict=True):
        total = total + row.numpy().astype(np.float64) * weight
    return (total / sum(weights)).astype(np.float32).tolist()


def layout(dim):
    return Layout.of([TensorSpec("w", torch.float32, (dim,))])


@dataclass
class SumOfDirections:
    """A rule that looks at whole vectors: its blocks can not be folded apart."""

    def init(self, dim):
        return torch.zeros(dim)

    def add(self, state, update, weight):
        return state + update / update.norm()

    def finish(self, state):
        return state


@pytest.mark.parametrize("block", [1, 7, 64, 1000, 1 << 17])
@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("large", [0, 1 << 60], ids=["compiled", "plain"])
def test_blocks_threads_and_paths_have_no_say_in_the_bits(monkeypatch, block, threads, large):
    monkeypatch.setattr(folding, "BLOCK", block)
    monkeypatch.setattr(folding, "LARGE", large)
    rows, weights = cohort(clients=11, dim=257)
    read = {str(i): InMemory(row) for i, row in enumerate(rows)}
    mean = fold(Mean(), list(read), weights, read.__getitem__, threads=threads)
    assert mean.tolist() == plain_loop(rows, weights)


@pytest.mark.parametrize(
    "make_store", [lambda _: MemoryBlobs(), FileBlobs], ids=["memory", "files"]
)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_of_arrival_has_no_say_in_the_bits(tmp_path, make_store, seed):
    rows, weights = cohort(clients=20, dim=300)
    blobs, digests = make_store(tmp_path), {}
    arrival = list(range(20))
    random.Random(seed).shuffle(arrival)
    for index in arrival:
        digests[index] = blobs.put(Float32().encode(rows[index], Layout(()), State(), Stamp())[0])
    in_order = [digests[index] for index in sorted(digests)]

    def columns(digest):
        return Encoded(Float32(), layout(300), blobs.get(digest))

    def vector(digest):
        return Float32().decode(blobs.get(digest), layout(300))

    for read in (columns, vector):
        assert fold(Mean(), in_order, weights, read).tolist() == plain_loop(rows, weights)


def test_summing_in_another_order_gives_other_bits_so_the_test_above_has_teeth():
    rows = {name: torch.tensor([value]) for name, value in [("a", 1e30), ("b", 1.0), ("c", -1e30)]}

    def total(order):
        return 3 * fold(Mean(), list(order), [1.0, 1.0, 1.0], rows.__getitem__).item()

    assert total("abc") == 0
    assert total("acb") == pytest.approx(1)


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("wrap", [InMemory, lambda row: row], ids=["columns", "vector"])
def test_models_of_no_and_of_one_value_are_folded(dim, wrap):
    rows = {"a": wrap(torch.full((dim,), 1.0)), "b": wrap(torch.full((dim,), 4.0))}
    assert fold(Mean(), ["a", "b"], [1.0, 2.0], rows.__getitem__).tolist() == [3.0] * dim


@pytest.mark.parametrize("wrap", [InMemory, lambda row: row], ids=["columns", "vector"])
def test_the_fold_of_one_update_is_that_update_bit_by_bit(wrap):
    row = torch.tensor([-0.0, 0.0, 1e-45, -3.4e38, 1 / 3])
    mean = fold(Mean(), ["a"], [3.0], lambda _: wrap(row))
    assert mean.view(torch.int32).tolist() == row.view(torch.int32).tolist()


@pytest.mark.parametrize("wrap", [InMemory, lambda row: row], ids=["columns", "vector"])
def test_what_can_not_be_folded_is_refused(wrap):
    rows = {"a": wrap(torch.ones(3)), "b": wrap(torch.ones(2))}
    with pytest.raises(ValueError, match="a fold needs updates, each with a weight: 0, 0"):
        fold(Mean(), [], [], rows.__getitem__)
    with pytest.raises(ValueError, match="each with a weight: 2, 1"):
        fold(Mean(), ["a", "b"], [1.0], rows.__getitem__)
    with pytest.raises(ValueError, match=r"one length, got \[2, 3\]|3 values of float32, got 2"):
        fold(Mean(), ["a", "b"], [1.0, 1.0], rows.__getitem__)
    with pytest.raises(ValueError, match="total_weight must be > 0"):
        fold(Mean(), ["a", "a"], [0.0, 0.0], rows.__getitem__)
    for weight in (-1.0, float("nan"), float("inf"), 1e30):
        with pytest.raises(ValueError, match="weight must be"):
            fold(Mean(), ["a", "a"], [1.0, weight], rows.__getitem__)


@pytest.mark.parametrize("large", [0, 1 << 60], ids=["compiled", "plain"])
def test_nan_is_not_hidden_by_a_fold(monkeypatch, large):
    monkeypatch.setattr(folding, "LARGE", large)
    rows = {"a": InMemory(torch.ones(2)), "b": InMemory(torch.tensor([1.0, float("nan")]))}
    mean = fold(Mean(), ["a", "b"], [1.0, 1.0], rows.__getitem__)
    assert mean.isnan().tolist() == [False, True]


@pytest.mark.parametrize("wrap", [InMemory, lambda row: row], ids=["columns", "vector"])
def test_a_rule_that_needs_whole_vectors_is_given_whole_vectors(monkeypatch, wrap):
    monkeypatch.setattr(folding, "BLOCK", 1)
    rows = {"a": wrap(torch.tensor([3.0, 4.0])), "b": wrap(torch.tensor([0.0, 2.0]))}
    folded = fold(SumOfDirections(), ["a", "b"], [1.0, 1.0], rows.__getitem__)
    assert folded.tolist() == pytest.approx([0.6, 1.8])


def test_what_goes_wrong_in_a_thread_is_raised(monkeypatch):
    monkeypatch.setattr(folding, "LARGE", 0)

    class Broken(InMemory):
        def columns(self, start, stop):
            raise OSError("the disk is gone")

    row = Broken(torch.ones(10))
    with pytest.raises(OSError, match="the disk is gone"):
        fold(Mean(), ["a"], [1.0], lambda _: row, threads=2)


def test_vectors_are_let_go_as_soon_as_they_are_added():
    alive, most = [], []

    def read(digest):
        alive.append(digest)
        most.append(len(alive))
        vector = torch.ones(4)
        weakref.finalize(vector, alive.remove, digest)
        return vector

    fold(Mean(), [str(i) for i in range(20)], [1.0] * 20, read)
    assert max(most) == 1
