"""Each quantiser against its definition in plain NumPy, and what follows from it."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fedplat.codecs import stage as stages
from fedplat.codecs.cast import Bf16, Fp16
from fedplat.codecs.clip_std import ClipStd
from fedplat.codecs.ecsq import Ecsq
from fedplat.codecs.error_feedback import ErrorFeedback
from fedplat.codecs.grid import Grid
from fedplat.codecs.integer import Integer, Qsgd
from fedplat.codecs.kmeans import KMeans
from fedplat.codecs.packet import Packet
from fedplat.codecs.ternary import Ternary, ternary_sum
from fedplat.codecs.threshold import Threshold
from fedplat.params import Layout
from fedplat.types import TensorSpec

SIZES = (300, 1, 0, 1500)
LAYOUT = Layout.of(TensorSpec(f"t{i}", torch.float32, (size,)) for i, size in enumerate(SIZES))


def normal(seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(LAYOUT.dim).astype(np.float32)


def forward(stage: Any, values: NDArray[np.float32], seed: int = 1, **memory: Any) -> Packet:
    return stage.forward(Packet(LAYOUT, values=values), memory, seed)[0]


def coded(stage: Any, values: NDArray[np.float32], seed: int = 1) -> NDArray[np.float32]:
    return stage.backward(forward(stage, values, seed), LAYOUT).dense()


@pytest.mark.parametrize("width", [0.5, 0.75, 1.0])
def test_ecsq_is_a_uniform_quantiser_with_a_dead_zone_and_two_means(width: float) -> None:
    values = normal()
    step = np.float32(0.5 * np.sqrt(np.mean(values.astype(np.float64) ** 2)))
    sizes = np.floor(np.abs(values) / step + np.float32(1 - width))
    expected = np.zeros(len(values))
    for group in (sizes == 1, sizes > 1):
        shift = np.mean(np.abs(values[group]) - sizes[group] * np.float64(step))
        expected[group] = sizes[group] * step + shift
    found = coded(Ecsq(0.5, width), values)
    np.testing.assert_allclose(found, np.sign(values) * expected, rtol=1e-5, atol=1e-7)


def test_the_two_means_lower_the_error_and_never_raise_it() -> None:
    values = normal()
    for step in (0.1, 1.0, 4.0):
        after = forward(Ecsq(step), values)
        delta = np.frombuffer(after.side, "<f4")[0]
        plain = np.sum((after.letters * delta - values) ** 2)
        assert np.sum((coded(Ecsq(step), values) - values) ** 2) <= plain * (1 + 1e-6)


def test_a_step_too_small_for_the_largest_value_is_made_larger_not_the_value_smaller() -> None:
    values = normal()
    values[7] = 1e6
    found = coded(Ecsq(1e-6), values)
    assert found[7] == pytest.approx(1e6, rel=1e-4)
    assert np.abs(found - values).max() <= 1e6 / 32766


def test_a_scaled_step_is_a_coarser_quantiser_with_more_zeros() -> None:
    fine, coarse = Ecsq(1.0), Ecsq(1.0).scaled(3.0)
    assert coarse == Ecsq(3.0)
    zeros = [np.count_nonzero(forward(one, normal()).letters == 0) for one in (fine, coarse)]
    assert zeros[0] < zeros[1]


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_integers_are_the_nearest_multiples_of_the_peak_over_the_levels(bits: int) -> None:
    values, start = normal(), 0
    found = coded(Integer(bits), values)
    for size in SIZES:
        part, got = values[start : start + size].astype(np.float64), found[start : start + size]
        step = np.abs(part).max(initial=0) / (2 ** (bits - 1) - 1)
        assert (np.abs(got - part) <= 0.5 * step * (1 + 1e-2) + 1e-7).all()
        start += size


UNBIASED = [
    Integer(3, "stochastic"),
    Integer(4, "stochastic", "block", 100),
    Qsgd(4, 64),
    Ternary(clip=float("inf")),
]
BIASED = [Integer(3), Ternary(clip=1.0), Ecsq(3.0), KMeans(3)]


def mean_deviation(stage: Any, draws: int = 150) -> float:
    """The largest deviation of a mean of draws from the value, in standard errors."""
    values = normal()
    found = np.array([coded(stage, values, seed) for seed in range(draws)], dtype=np.float64)
    errors = found.std(axis=0) / np.sqrt(draws)
    errors = np.maximum(errors, errors.mean())  # what is rarely drawn has no estimate of its own
    return float((np.abs(found.mean(axis=0) - values) / (errors + 1e-6)).max())


@pytest.mark.parametrize("stage", UNBIASED, ids=repr)
def test_the_unbiased_ones_are_right_on_average(stage: Any) -> None:
    assert stage.traits.unbiased
    assert mean_deviation(stage) < 6


@pytest.mark.parametrize("stage", BIASED, ids=repr)
def test_the_biased_ones_are_not_and_say_so(stage: Any) -> None:
    assert not stage.traits.unbiased
    assert mean_deviation(stage, 50) > 6


def test_qsgd_keeps_its_variance_bound() -> None:
    values = normal()
    bound = sum(
        min(len(part) / 16, np.sqrt(len(part)) / 4) * np.sum(part.astype(np.float64) ** 2)
        for part in np.split(values, range(64, len(values), 64))
    )
    errors = [np.sum((coded(Qsgd(4, 64), values, seed) - values) ** 2) for seed in range(50)]
    assert np.mean(errors) <= bound


def test_ternaries_are_zero_or_the_clipped_peak_of_their_tensor() -> None:
    values = normal()
    found, part = coded(Ternary(2.5), values), values[301:].astype(np.float64)
    scale = min(np.abs(part).max(), 2.5 * np.sqrt(np.mean(part**2)))
    np.testing.assert_allclose(np.unique(np.abs(found[301:])), [0, scale], rtol=1e-6)
    assert (found[np.abs(values) >= scale][1:] != 0).all()
    assert found[300] == values[300]


def test_draws_of_neighbours_and_of_seeds_are_independent() -> None:
    ones = np.full(LAYOUT.dim, 0.5, dtype=np.float32)
    ones[[0, 300, 301]] = 1
    draws = np.array([forward(Ternary(float("inf")), ones, s).letters[302:] for s in range(200)])
    centred = draws - draws.mean()
    variance = np.mean(centred**2)
    assert variance == pytest.approx(0.25, abs=0.01)
    assert abs(np.mean(centred[:, 1:] * centred[:, :-1])) < 0.01 * variance * 2
    assert abs(np.mean(centred[1:] * centred[:-1])) < 0.01 * variance * 2


def test_ternaries_of_one_shared_scale_add_up_exactly_and_the_grid_finds_them() -> None:
    shared = np.array([2.0, 1.5, 1.0, 3.0], dtype=np.float32)
    rows = [
        forward(Ternary(scale="shared"), normal(seed), seed, shared=shared) for seed in range(9)
    ]
    assert {bytes(row.side)[:16] for row in rows} == {shared.tobytes()}
    total = ternary_sum([row.letters for row in rows])
    np.testing.assert_array_equal(total, np.sum([row.letters for row in rows], axis=0))
    scales = np.repeat(shared, SIZES)
    mean = (total * scales.astype(np.float64) / 9).astype(np.float32)
    np.testing.assert_allclose(coded(Grid(9), mean), mean, rtol=1e-6)
    nonzero = total[301:] != 0
    ratio = forward(Grid(9), mean).letters[301:][nonzero] / total[301:][nonzero]
    assert np.ptp(ratio) == 0


def test_what_is_on_no_grid_loses_half_a_step_at_most() -> None:
    values = normal()
    step = np.abs(values[301:]).max() / 9
    assert np.abs(coded(Grid(9), values) - values)[301:].max() <= step / 2 * (1 + 1e-5)


def test_bfloat16_and_float16_round_as_torch_does() -> None:
    values = normal() ** 5
    expected = torch.from_numpy(values).to(torch.bfloat16).to(torch.float32).numpy()
    np.testing.assert_array_equal(coded(Bf16(), values), expected)
    inner = np.clip(normal(), -1.5, 1.5)
    near = torch.from_numpy(inner).to(torch.float16).to(torch.float32).numpy()
    large = np.abs(inner) > 1e-3
    np.testing.assert_array_equal(coded(Fp16(), inner)[large], near[large])


def test_thresholds_and_clipping_are_what_they_are_called() -> None:
    values = normal()
    rms = np.sqrt(np.mean(values.astype(np.float64) ** 2))
    kept = forward(Threshold(1.5, "rms"), values)
    np.testing.assert_array_equal(kept.positions, np.flatnonzero(np.abs(values) >= 1.5 * rms))
    part = values[301:].astype(np.float64)
    bound = np.sqrt(np.mean(part**2))
    clipped = forward(ClipStd(1.0), values).numbers[301:]
    np.testing.assert_allclose(clipped, np.clip(part, -bound, bound), rtol=1e-6)


def distance(stage: Any, rounds: int = 240, rate: float = 0.2) -> float:
    """How far gradient descent on ‖w − t‖²/2 ends from the optimum of two clients' mean."""
    # the clients pull against one another in one strong entry: its size hides all that is small
    target = np.full(LAYOUT.dim, 0.01, dtype=np.float32)
    pulls = [np.zeros(LAYOUT.dim, dtype=np.float32) for _ in range(2)]
    for start in (0, 301):
        pulls[0][start], pulls[1][start] = 1.0, -1.0
    w = np.zeros(LAYOUT.dim, dtype=np.float32)
    memories = [stages.memories((stage,), LAYOUT) for _ in pulls]
    tail = np.zeros(LAYOUT.dim)
    for turn in range(rounds):
        total = np.zeros(LAYOUT.dim, dtype=np.float32)
        for client, pull in enumerate(pulls):
            packet = Packet(LAYOUT, values=rate * (target + pull - w))
            after, memories[client] = stages.forward((stage,), packet, memories[client], turn)
            total += stages.backward((stage,), after, LAYOUT).dense() / 2
        w = w + total
        tail += w / (rounds // 2) if turn >= rounds // 2 else 0
    return float(np.linalg.norm(tail - target) / np.linalg.norm(target))


LOSSY = [Ecsq(1.9), Integer(3), KMeans(3, "lloyd"), Threshold(0.9, "rms"), Grid(3)]


@pytest.mark.parametrize("inner", LOSSY, ids=repr)
def test_with_error_feedback_what_is_small_arrives_in_the_end(inner: Any) -> None:
    assert distance(ErrorFeedback((inner,))) < 0.2


@pytest.mark.parametrize("inner", [Ecsq(1.9), Integer(3), Threshold(0.9, "rms"), Grid(3)], ids=repr)
def test_without_it_what_is_small_never_arrives(inner: Any) -> None:
    assert distance(inner) > 0.5
