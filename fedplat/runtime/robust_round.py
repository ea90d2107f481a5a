"""One round's aggregate by a robust rule: whose updates count, and what the rule remembers.

Sample counts that clients claim have no say: a liar could claim any.  An update of weight 0 (of a
client without data) is none.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from fedplat import rng
from fedplat.aggregators.average import Average
from fedplat.aggregators.median import Median
from fedplat.aggregators.nnm import NNM
from fedplat.aggregators.robust import Robust, aggregate
from fedplat.aggregators.rules import require
from fedplat.engine.commands import Aggregate
from fedplat.params import Layout, Vector
from fedplat.protocols import Sparse
from fedplat.runtime.decoded_rows import as_columns
from fedplat.runtime.folding import Encoded, InMemory
from fedplat.runtime.robust_fold import fold_robustly
from fedplat.types import ClientId, Digest, Tensors

LAST = "last"  # what a rule remembers the last aggregate by

Read = Callable[[Digest], Vector | Sparse | Encoded]
Root = Callable[[Digest, int], Vector]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What a robust rule has made of a round's updates.

    `influence` is each update's share of the aggregate; `refused` says why the rule looked at some
    not at all; `counted` are the places of all others, of which `liars` may lie.  `kept` is what
    the rule remembers.
    """

    update: Vector
    influence: tuple[float, ...]
    refused: dict[ClientId, str]
    counted: tuple[int, ...]
    liars: int
    kept: Tensors


@dataclass(frozen=True, slots=True)
class RobustRound:
    """Aggregates rounds by a chain.

    `root` gives the coordinator's own update, for a rule that compares with it (FLTrust); another
    rule that compares does so with the last aggregate.
    """

    chain: Robust
    layout: Layout
    seed: int
    root: Root | None = None

    def prepare(self) -> None:
        """Has the compiled loops ready."""
        for rule in (Average(), Median()):
            aggregate(Robust((NNM(0),), rule), np.ones((2, 1), dtype=np.float32))

    @property
    def layers(self) -> tuple[int, ...]:
        """The sizes of the model's tensors, for rules that look at each."""
        return tuple(spec.numel for spec in self.layout.flat)

    def judge(self, command: Aggregate, read: Read, kept: Tensors) -> Judged:
        """Raises: ToleranceError, if too few updates can be used for what the chain promises."""
        places = [i for i, (_, _, weight) in enumerate(command.updates) if weight > 0]
        require(bool(places), self.chain.rule.name, "n >= 1", 0, 0)
        seed = rng.derive(self.seed, "aggregate", command.round_id)
        compared = self.reference(command.broadcast, command.round_id, kept)
        reference = None if compared is None else InMemory(compared)
        rows = (read(command.updates[place][1]) for place in places)
        with as_columns(rows, len(places), self.layout.dim) as found:
            outcome = fold_robustly(
                self.chain, found, seed=seed, reference=reference, layers=self.layers
            )
        influence = np.zeros(len(command.updates))
        influence[places] = outcome.influence
        update = torch.from_numpy(outcome.value)
        counted = tuple(place for i, place in enumerate(places) if i not in outcome.refused)
        told = self.chain.with_refused(len(outcome.refused)).num_byzantine
        return Judged(
            update,
            tuple(influence.tolist()),
            {command.updates[places[i]][0]: why for i, why in outcome.refused.items()},
            counted,
            (len(counted) - 1) // 2 if told is None else told,
            {LAST: update} if self.chain.needs_reference and self.root is None else {},
        )

    def reference(self, broadcast: Digest, round_id: int, kept: Tensors) -> Vector | None:
        """What the chain compares a round's updates with, if it does and there is such."""
        if self.root is not None:
            return self.root(broadcast, round_id)
        return kept.get(LAST)
