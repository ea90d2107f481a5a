"""(f, κ)-robustness under adversarial search: the published bounds hold, the mean has none.

A rule F is (f, κ)-robust if for all n rows and every set S of n − f of them
‖F(x) − x̄_S‖² ≤ κ/|S| Σ_S ‖xᵢ − x̄_S‖² (Allouah et al. 2023, arXiv:2302.01772, definition 2; the
bounds are their table 1, NNM's their lemma 1).
"""

import numpy as np
import pytest

from fedplat.aggregators.foreseen import Foreseen
from fedplat.aggregators.geometric_median import GeometricMedian
from fedplat.aggregators.krum import Krum
from fedplat.aggregators.median import Median
from fedplat.aggregators.nnm import NNM
from fedplat.aggregators.robust import Robust
from fedplat.aggregators.trimmed_mean import TrimmedMean
from fedplat.attacks.lies import Seen
from fedplat.attacks.optimised import Optimised

N, DIM, CASES = 20, 6, 12


def over(f):
    return f / (N - 2 * f)


BOUNDS = {
    "trimmed_mean": (lambda f: [TrimmedMean(f)], lambda f: 6 * over(f) * (1 + over(f))),
    "median": (lambda f: [Median()], lambda f: 4 * (1 + over(f)) ** 2),
    "krum": (lambda f: [Krum(f)], lambda f: 6 * (1 + over(f))),
    "geometric_median": (lambda f: [GeometricMedian()], lambda f: 4 * (1 + over(f)) ** 2),
}
WITH_NNM = {
    f"nnm | {name}": (
        lambda f, make=make: [NNM(f), *make(f)],
        lambda f, kappa=kappa: 8 * f / (N - f) * (kappa(f) + 1),
    )
    for name, (make, kappa) in BOUNDS.items()
}
EVERY = {**BOUNDS, **WITH_NNM}


def rows_of(case, f):
    drawn = np.random.Generator(np.random.PCG64(case))
    spread = drawn.gamma(0.5, 1, (1, DIM)) * drawn.standard_normal((N - f, DIM))
    if case % 2:  # two camps
        spread[: (N - f) // 2] += drawn.standard_normal(DIM) * 3
    return spread.astype(np.float32)


def lies_for(rule, honest, f, case):
    """Far away, in between, and what a search finds against this very rule."""
    drawn = np.random.Generator(np.random.PCG64(case + 1000))
    mean = honest.mean(axis=0)
    for size in (0.5, 2, 8, 1e4):
        direction = drawn.standard_normal(DIM).astype(np.float32)
        yield np.tile(mean + np.float32(size) * direction, (f, 1))
    yield np.tile(honest[case % len(honest)], (f, 1))
    own = honest[:f]
    for base in ("alie", "ipm"):
        yield Optimised(base).craft(Seen(own, honest, case, aggregate=rule))


def worst(parts, f, case):
    """The largest ‖F − x̄_S‖² over the honest variance that any of these lies reaches."""
    chain, honest = Robust.of(parts), rows_of(case, f)

    rule = Foreseen(chain)
    wide = honest.astype(np.float64)
    variance = ((wide - wide.mean(axis=0)) ** 2).sum(axis=1).mean()
    reached = []
    for lies in lies_for(rule, honest, f, case):
        error = rule(np.concatenate([honest, lies])) - wide.mean(axis=0)
        reached.append(float((error**2).sum()) / variance)
    return max(reached)


@pytest.mark.parametrize("f", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", EVERY)
def test_no_lie_that_a_search_finds_exceeds_the_published_bound(name, f):
    make, kappa = EVERY[name]
    assert max(worst(make(f), f, case) for case in range(CASES)) <= kappa(f)


@pytest.mark.parametrize("name", EVERY)
def test_the_search_does_harm_so_the_bound_is_put_to_the_test(name):
    make, _ = EVERY[name]
    assert max(worst(make(5), 5, case) for case in range(CASES)) > 0.02


def test_the_mean_has_no_such_bound():
    assert worst([TrimmedMean(0)], 2, 0) > 1e4
