"""The selection of the largest magnitudes is that of a full sort, whatever the values are."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fedplat.codecs.kernels import selection


def reference(values: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The definition: sorted by magnitude, ties by position."""
    return np.sort(np.argsort(-np.abs(values), kind="stable")[:k])


def drawn(kind: str, count: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(7)
    normal = rng.standard_normal(count).astype(np.float32)
    kinds = {
        "normal": normal,
        "heavy": normal**9,
        "constant": np.full(count, -0.25, dtype=np.float32),
        "zero": np.zeros(count, dtype=np.float32),
        "signed zeros": np.where(normal > 0, np.float32(0.0), np.float32(-0.0)),
        "two values": np.where(normal > 0, np.float32(1), np.float32(-2)),
        "ascending": np.arange(count, dtype=np.float32),
        "one spike": np.eye(1, count, count // 2, dtype=np.float32)[0],
        "denormals": (normal * np.float32(1e-42)).astype(np.float32),
        "huge": np.clip(normal, -3, 3) * np.float32(1e38),
        "spikes where a sample looks": np.where(np.arange(count) % 2 == 0, normal, 0 * normal),
    }
    return kinds[kind]


KINDS = ["normal", "heavy", "constant", "zero", "signed zeros", "two values", "ascending"]
KINDS += ["one spike", "denormals", "huge", "spikes where a sample looks"]


@pytest.mark.parametrize("count", [100, selection.SMALL + 1, 100_003])
@pytest.mark.parametrize("kind", KINDS)
def test_the_largest_are_those_of_a_stable_sort(kind: str, count: int) -> None:
    values = drawn(kind, count)
    for k in (1, 2, count // 100, count // 3, count - 1):
        np.testing.assert_array_equal(selection.largest(values, k), reference(values, k))


@pytest.mark.parametrize(("count", "k"), [(0, 0), (0, 3), (1, 1), (1, 0), (2, 1), (5, 5), (5, 9)])
def test_none_one_and_all_of_a_few(count: int, k: int) -> None:
    values = np.arange(count, dtype=np.float32)
    np.testing.assert_array_equal(selection.largest(values, k), reference(values, k))


@pytest.mark.parametrize("guess", [0.0, 1e-30, 0.5, 2.57, 30.0, 1e38, -1.0])
def test_a_guess_changes_nothing_however_wrong(guess: float) -> None:
    values = drawn("normal", 100_003)
    found = selection.largest(values, 1000, guess)
    np.testing.assert_array_equal(found, selection.largest(values, 1000))


def test_values_need_not_be_contiguous_or_aligned() -> None:
    values = drawn("normal", 50_001)
    shifted = np.frombuffer(b"\0" + values.tobytes(), dtype="<f4", offset=1)
    np.testing.assert_array_equal(selection.largest(shifted, 99), reference(values, 99))
    np.testing.assert_array_equal(selection.largest(values[::3], 99), reference(values[::3], 99))


@pytest.mark.parametrize("floor", [0.0, 0.1, 1.0, 2.5, 100.0, 1e39, 1e-50])
def test_reaching_finds_what_a_comparison_finds(floor: float) -> None:
    values = drawn("normal", 40_001)
    expected = np.flatnonzero(np.abs(values).astype(np.float64) >= floor)
    np.testing.assert_array_equal(selection.reaching(values, floor), expected)


def test_the_histogram_path_agrees_with_the_partition() -> None:
    bits = np.abs(drawn("heavy", 70_001)).view(np.uint32)
    for k in (1, 77, 70_000, 70_001):
        assert selection._kth_by_histogram(bits, k) == selection._kth(bits, k)
