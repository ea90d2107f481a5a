"""The robust fold: block by block, on any number of threads, what the rule gives as a whole."""

import numpy as np
import pytest
import torch

from fedplat.aggregators.arc import ARC
from fedplat.aggregators.bulyan import bulyan
from fedplat.aggregators.centered_clipping import CenteredClipping
from fedplat.aggregators.dnc import DnC
from fedplat.aggregators.geometric_median import GeometricMedian
from fedplat.aggregators.krum import Krum
from fedplat.aggregators.median import Median
from fedplat.aggregators.nnm import NNM
from fedplat.aggregators.robust import BLOCK, Robust, aggregate
from fedplat.aggregators.trimmed_mean import TrimmedMean
from fedplat.errors import ToleranceError
from fedplat.runtime.folding import InMemory
from fedplat.runtime.robust_fold import fold_robustly

CHAINS = {
    "median": [Median()],
    "trimmed_mean": [TrimmedMean(2)],
    "krum": [Krum(2)],
    "geometric_median": [GeometricMedian()],
    "bulyan": list(bulyan(2)),
    "arc | nnm | trimmed_mean": [ARC(2), NNM(2), TrimmedMean(2)],
    "dnc": [DnC(2, coordinates=500)],
    "centered_clipping": [CenteredClipping()],
}


def updates(n, dim, seed=0):
    rng = np.random.Generator(np.random.PCG64(seed))
    return rng.standard_normal((n, dim), dtype=np.float32) * np.float32(1 + seed)


def columns(rows):
    return [InMemory(torch.from_numpy(row)) for row in rows]


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("dim", [1, 1000, BLOCK, 3 * BLOCK + 17])
def test_blocks_on_any_number_of_threads_give_the_bits_of_the_whole(name, dim):
    chain, rows, centre = Robust.of(CHAINS[name]), updates(12, dim), updates(1, dim, 3)[0]
    whole = aggregate(chain, rows, seed=5, reference=centre)
    for threads in (1, 2, 5):
        reference = InMemory(torch.from_numpy(centre))
        got = fold_robustly(chain, columns(rows), seed=5, reference=reference, threads=threads)
        assert np.array_equal(got.value, whole.value)
        assert np.array_equal(got.influence, whole.influence)


def test_rows_may_start_anywhere_and_are_not_modified():
    rows = updates(9, 1000)
    padded = [torch.cat([torch.zeros(k), torch.from_numpy(row)]) for k, row in enumerate(rows)]
    before = [one.clone() for one in padded]
    got = fold_robustly(
        Robust.of([Krum(1)]), [InMemory(one[k:]) for k, one in enumerate(padded)], seed=0
    )
    assert np.array_equal(got.value, aggregate(Robust.of([Krum(1)]), rows).value)
    assert all(map(torch.equal, before, padded))


def test_a_row_that_is_not_finite_in_one_block_is_refused_in_all():
    rows = updates(9, 2 * BLOCK)
    rows[3, BLOCK + 5] = np.inf
    got = fold_robustly(Robust.of([TrimmedMean(1)]), columns(rows), seed=0)
    assert got.refused == {3: "not finite"}
    assert np.array_equal(
        got.value, aggregate(Robust.of([TrimmedMean(0)]), rows[[0, 1, 2, 4, 5, 6, 7, 8]]).value
    )


def test_too_few_usable_updates_are_an_error_that_names_the_condition():
    rows = updates(5, 10)
    rows[0] = np.nan
    with pytest.raises(ToleranceError, match="krum requires n >= 2f \\+ 3; got n=4, f=1"):
        fold_robustly(Robust.of([Krum(2)]), columns(rows), seed=0)
    with pytest.raises(ValueError, match="needs updates"):
        fold_robustly(Robust.of([Krum(2)]), [], seed=0)
    short = InMemory(torch.zeros(3))
    with pytest.raises(ValueError, match="one length"):
        fold_robustly(Robust.of([Krum(2)]), [*columns(rows), short], seed=0)
