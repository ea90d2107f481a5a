"""The clustering is as good as the optimum, FedZip's is as its authors wrote it."""

import itertools
import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans as Sklearn

from fedplat.codecs.kernels import clusters
from fedplat.codecs.kmeans import KMeans
from fedplat.codecs.packet import Form, Packet
from fedplat.codecs.top_k import TopK
from fedplat.errors import CorruptPayloadError
from fedplat.params import Layout
from fedplat.types import TensorSpec


def packet(values: NDArray[np.float32]) -> Packet:
    layout = Layout.of([TensorSpec("a", torch.float32, (len(values),))])
    return Packet(layout, values=values.astype(np.float32))


def squared_error(stage: KMeans, values: NDArray[np.float32]) -> float:
    before = packet(values)
    after = stage.backward(stage.forward(before, {}, 0)[0], before.layout)
    return float(((after.numbers.astype(np.float64) - values) ** 2).sum())


def optimum(values: NDArray[np.float32], count: int) -> float:
    """The least error over all ways to cut the sorted values into `count` runs, by trying all."""
    ordered = np.sort(values.astype(np.float64))
    errors = []
    for cuts in itertools.combinations(range(1, len(ordered)), count - 1):
        parts = np.split(ordered, cuts)
        errors.append(sum(((part - part.mean()) ** 2).sum() for part in parts))
    return float(min(errors))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_of_a_few_values_the_clusters_are_the_best_of_all(seed: int, count: int) -> None:
    values = np.random.default_rng(seed).standard_normal(14).astype(np.float32)
    found = squared_error(KMeans(count), values)
    assert found <= optimum(values, count) * (1 + 1e-3) + 1e-12


@pytest.mark.parametrize("kind", ["normal", "heavy", "far from zero", "far but one", "two heaps"])
@pytest.mark.parametrize("count", [2, 3, 15])
def test_the_error_is_not_above_that_of_sklearn(kind: str, count: int) -> None:
    rng = np.random.default_rng(1)
    drawn = {
        "normal": rng.standard_normal(20_000),
        "heavy": rng.standard_t(3, 20_000) * 1e-3,
        "far from zero": 100 + 0.1 * rng.standard_normal(20_000),
        "far but one": np.append(100 + 0.1 * rng.standard_normal(19_999), 0.0),
        "two heaps": np.where(rng.random(20_000) < 0.9, 0.01, 5.0) * rng.standard_normal(20_000),
    }
    values = drawn[kind].astype(np.float32)
    peer = Sklearn(count, n_init=1, random_state=0).fit(values.reshape(-1, 1).astype(np.float64))
    centroids = np.sort(peer.cluster_centers_.ravel())
    labels = clusters.nearest(values, centroids)
    error = float(((values - centroids[labels]) ** 2).sum())
    assert squared_error(KMeans(count), values) <= error * (1 + 1e-4)


MANY = {
    "normal": np.random.default_rng(6).standard_normal(30_001),
    "positive": np.random.default_rng(7).exponential(size=30_003),
    "zeros of both signs": np.concatenate(
        [np.random.default_rng(8).standard_cauchy(20_000), [0.0, -0.0, 1e-45, -1e-45, 3e38] * 900]
    ),
}


@pytest.mark.parametrize("count", [1, 2, 15, 300])
@pytest.mark.parametrize("kind", MANY)
def test_looking_labels_up_finds_what_comparing_each_value_finds(kind: str, count: int) -> None:
    values = MANY[kind].astype(np.float32)
    cells = clusters._by_exponent(values.view(np.uint32))
    before = cells.centroids(count)
    labels, centroids = clusters._looked_up(values, cells, before)
    expected, means = clusters._compared(values, before)
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_allclose(centroids, means, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", MANY)
def test_cells_ascend_and_have_their_values_counts_and_sums(kind: str) -> None:
    values = MANY[kind].astype(np.float32)
    few = np.float32(100) + np.float32(0.01) * values[np.abs(values) < 5]
    for numbers, fine in ((values, False), (few, True)):
        cells = clusters._by_exponent(numbers.view(np.uint32))
        cells = clusters._cut(numbers.view(np.uint32), cells) if fine else cells
        assert (np.diff(cells.low) >= 0).all()
        assert (cells.low <= cells.high).all()
        ordered = np.sort(numbers)
        starts = np.append(0, np.cumsum(cells.counts))
        assert starts[-1] == len(numbers)
        for start, stop, sum_ in zip(starts, starts[1:], cells.sums, strict=False):
            assert sum_ == math.fsum(ordered[start:stop].tolist())


@pytest.mark.parametrize("far", [0.0, -1.0, 50.0, 1e6])
def test_a_value_far_from_many_has_a_cluster_of_its_own(far: float) -> None:
    drawn = 100 + 0.1 * np.random.default_rng(9).standard_normal(100_000)
    values = np.append(drawn, far).astype(np.float32)
    labels, centroids = clusters.optimal(values, 2)
    assert np.flatnonzero(labels == 1).tolist() == [100_000]
    assert centroids[1] == values[-1]


def test_more_values_than_a_packed_sum_has_room_for_are_counted_all_the_same() -> None:
    values = np.full(2 * clusters.CHUNK + 5, np.float32(1.0078124))  # the last of its cell
    cells = clusters._by_exponent(values.view(np.uint32))
    assert cells.counts.tolist() == [len(values)]
    assert cells.sums.tolist() == [len(values) * float(values[0])]


def test_lloyd_from_even_spacing_is_worse_than_the_optimum() -> None:
    values = np.random.default_rng(2).standard_t(2, 20_000).astype(np.float32)
    assert squared_error(KMeans(3, "lloyd"), values) > 1.1 * squared_error(KMeans(3), values)


def fedzip(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """FedZip's clustering in plain loops."""
    centroids = np.linspace(values.min(), values.max(), 3, dtype=np.float64)
    for _ in range(4):
        heaps: list[list[float]] = [[], [], []]
        for value in values.tolist():
            heaps[int(np.argmin(np.abs(centroids - value)))].append(value)
        for which, heap in enumerate(heaps):
            counted = heap if which == 1 else [value for value in heap if value != 0]
            if counted:
                centroids[which] = np.mean(counted)
    return centroids


def test_lloyd_is_fedzips_own_clustering_with_its_shift_of_the_zeros() -> None:
    values = np.random.default_rng(3).standard_normal(400).astype(np.float32)
    values[np.abs(values) < 0.3] = 0
    before = packet(values)
    after = KMeans(3, "lloyd").forward(before, {}, 0)[0]
    centroids = np.frombuffer(after.side, dtype="<f4")
    np.testing.assert_allclose(np.sort(centroids), fedzip(values), rtol=1e-6)
    back = KMeans(3, "lloyd").backward(after, before.layout).numbers
    zeros = np.unique(back[values == 0])
    assert len(zeros) == 1
    assert zeros[0] != 0


def test_indices_fall_with_their_counts() -> None:
    values = np.random.default_rng(4).standard_t(2, 5000).astype(np.float32)
    for stage in (KMeans(7), KMeans(7, "lloyd")):
        after = stage.forward(packet(values), {}, 0)[0]
        counts = np.bincount(after.letters, minlength=7)
        assert (np.diff(counts) <= 0).all()


def test_of_a_sparse_packet_only_what_travels_is_clustered() -> None:
    values = np.random.default_rng(5).standard_normal(1000).astype(np.float32)
    sparse = TopK(0.05).forward(packet(values), {}, 0)[0]
    stage = KMeans(2)
    back = stage.backward(stage.forward(sparse, {}, 0)[0], sparse.layout)
    np.testing.assert_array_equal(np.sign(back.numbers), np.sign(sparse.numbers))
    assert np.count_nonzero(back.dense()) == 50
    assert stage.form(Form(where="some")) == Form("some", alphabet=(0, 1), zeros=False)


EXTREMES = {
    "one": [3.5],
    "two": [1.0, -1.0],
    "equal": [0.25] * 50,
    "zeros": [0.0, -0.0] * 20,
    "denormal": [1e-45, 3e-45, -1e-42] * 9,
    "huge": [3.4e38, -3.4e38, 1e38] * 9,
    "an outlier": [1e-6, 2e-6, -3e-6] * 200 + [1e6],
}


@pytest.mark.parametrize("method", ["exact", "lloyd"])
@pytest.mark.parametrize("kind", EXTREMES)
def test_extremes_come_back_finite_and_no_further_off_than_their_span(
    kind: str, method: str
) -> None:
    values = np.array(EXTREMES[kind], dtype=np.float32)
    for count in (1, 3, 40):
        before = packet(values)
        stage = KMeans(count, method)  # type: ignore[arg-type]
        back = stage.backward(stage.forward(before, {}, 0)[0], before.layout)
        span = float(values.max()) - float(values.min())
        off = np.abs(back.numbers.astype(np.float64) - values).max()
        assert off <= span + 1e-6 * float(np.abs(values).max())


@pytest.mark.parametrize("values", [[1.0, 2.0, 4.0], [0.0, 1.0, -7.0, 9.0]])
def test_as_many_clusters_as_values_lose_nothing(values: list[float]) -> None:
    assert squared_error(KMeans(len(values)), np.array(values, dtype=np.float32)) == 0


def test_empty_tensors_have_centroids_that_nobody_reads() -> None:
    layout = Layout.of([TensorSpec("a", torch.float32, (0,)), TensorSpec("b", torch.float32, ())])
    before = Packet(layout, values=np.array([2.5], dtype=np.float32))
    after = KMeans(3).forward(before, {}, 0)[0]
    assert len(after.side) == 4 * 3 * 2
    assert KMeans(3).backward(after, layout).numbers == np.float32(2.5)


@pytest.mark.parametrize("symbol", [-1, 3, 32767])
def test_an_index_beyond_the_centroids_is_corrupt(symbol: int) -> None:
    before = packet(np.arange(10, dtype=np.float32))
    after = KMeans(3).forward(before, {}, 0)[0]
    after.letters[4] = symbol
    with pytest.raises(CorruptPayloadError, match="3 centroids"):
        KMeans(3).backward(after, before.layout)


@pytest.mark.parametrize(
    "wrong", [{"clusters": 0}, {"clusters": 5000}, {"iterations": 0}, {"method": "k"}, {"init": ""}]
)
def test_parameters_without_meaning_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        KMeans(**wrong)  # type: ignore[arg-type]
