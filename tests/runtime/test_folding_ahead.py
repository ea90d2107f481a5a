"""Folding ahead gives the bits of the fold, whatever was folded ahead; or starts again."""

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedplat.aggregators import Mean
from fedplat.runtime.folding import BLOCK, InMemory, fold
from fedplat.runtime.folding_ahead import GROUP, FoldingAhead
from fedplat.types import Digest, client_id


def rows_and_updates(count, dim):
    generator = torch.Generator().manual_seed(count)
    updates = [torch.randn(dim, generator=generator) for _ in range(count)]
    rows = [(client_id(i), Digest(str(i)), float(i % 7 + 1)) for i in range(count)]
    return rows, updates


@given(st.integers(1, 3 * GROUP), st.lists(st.integers(1, GROUP), max_size=8))
def test_any_steps_ahead_give_the_bits_of_one_fold(count, steps):
    rows, updates = rows_and_updates(count, 257)
    weights = [weight for _, _, weight in rows]
    whole = fold(Mean(), [d for _, d, _ in rows], weights, lambda digest: updates[int(digest)])
    ahead, at = FoldingAhead(Mean(), 257), 0
    for step in [*steps, count]:
        part = slice(at, min(at + step, count))
        ahead.add(rows[part], [InMemory(update) for update in updates[part]])
        at = part.stop
    assert torch.equal(ahead.finish(), whole)


def test_blocks_do_not_show():
    rows, updates = rows_and_updates(GROUP + 1, BLOCK + 3)
    weights = [weight for _, _, weight in rows]
    ahead = FoldingAhead(Mean(), BLOCK + 3)
    ahead.add(rows, list(map(InMemory, updates)))
    whole = fold(Mean(), [d for _, d, _ in rows], weights, lambda digest: updates[int(digest)])
    assert torch.equal(ahead.finish(), whole)


class Watched:
    """The mean, of which every state's width is remembered."""

    def __init__(self):
        self.widths, self._mean = [], Mean()

    def __getattr__(self, name):
        return getattr(self._mean, name)

    def init(self, dim):
        self.widths.append(dim)
        return self._mean.init(dim)


@pytest.mark.parametrize("count", [1, GROUP])
def test_a_group_that_is_the_whole_round_is_not_summed_ahead(count):
    rows, updates = rows_and_updates(count, 2 * BLOCK)
    rule = Watched()
    ahead = FoldingAhead(rule, 2 * BLOCK)
    ahead.add(rows, list(map(InMemory, updates)))
    assert rule.widths == []
    weights = [weight for _, _, weight in rows]
    whole = fold(Mean(), [d for _, d, _ in rows], weights, lambda digest: updates[int(digest)])
    assert torch.equal(ahead.finish(), whole)


def test_more_than_a_group_is_summed_while_others_train():
    rows, updates = rows_and_updates(GROUP + 1, 5)
    rule = Watched()
    FoldingAhead(rule, 5).add(rows, list(map(InMemory, updates)))
    assert rule.widths == [5]


def test_a_round_without_updates_has_no_aggregate():
    with pytest.raises(ValueError, match="total_weight"):
        FoldingAhead(Mean(), 4).finish()


def test_an_update_of_another_length_is_refused():
    ahead = FoldingAhead(Mean(), 4)
    with pytest.raises(ValueError, match="one length"):
        ahead.add([(client_id(0), Digest("0"), 1.0)], [InMemory(torch.zeros(5))])


MEASURE = """
import sys
from pathlib import Path
import torch
from fedplat.aggregators.mean import Mean
from fedplat.runtime.folding import BLOCK, InMemory
from fedplat.runtime.folding_ahead import FoldingAhead
from fedplat.types import Digest, client_id

blocks = 24

def anonymous_mb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("RssAnon"))

for _ in range(3):  # an allocator that has seen blocks come and go keeps the later ones
    rubbish = [torch.zeros(BLOCK, dtype=torch.float64) for _ in range(8)]
    del rubbish
update = InMemory(torch.ones(blocks * BLOCK))
before = anonymous_mb()
ahead = FoldingAhead(Mean(), blocks * BLOCK)
ahead.add([(client_id(0), Digest("0"), 1.0)], [update])
ahead._fold()
during = anonymous_mb()
pinned = torch.zeros(BLOCK // 4)  # what comes later must not hold the sums back
mean = ahead.finish()
print(during - before, anonymous_mb() - before)
"""


def test_the_sums_are_given_back_to_the_system_once_the_result_is_made():
    command = [sys.executable, "-c", MEASURE]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    during, after = map(int, done.stdout.split())
    assert during >= 48  # 24 blocks of 2 MB
    assert 24 <= after <= 36  # the result, and little else
