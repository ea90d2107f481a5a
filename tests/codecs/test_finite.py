"""Whether an update is finite is asked before anything else, and answered for every value."""

import numpy as np
import pytest

from fedplat.codecs import finite


@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 1, 500, 998, 999])
def test_one_value_that_is_not_finite_is_found_wherever_it_stands(bad, at):
    values = np.linspace(-3, 3, 1000, dtype=np.float32)
    assert finite.are_all(values)
    values[at] = bad
    assert not finite.are_all(values)


@pytest.mark.parametrize("given", [[], [0.0], [-0.0, 1e-45], [3.4028235e38, -3.4028235e38]])
def test_zeros_denormals_the_largest_and_nothing_at_all_are_finite(given):
    assert finite.are_all(np.array(given, dtype=np.float32))
