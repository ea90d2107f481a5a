"""Trains a federation under attack, round by round, as the platform's own simulation would.

Clients, batches, first model, momentum, lies and aggregates are those of a scenario; what is left
out are codecs, messages and the log, which cost more than the training itself at this size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.robust.gradients import Gradients, gradients
from benchmarks.robust.images import Images, images, shards
from benchmarks.robust.setting import Setting
from fedplat import rng
from fedplat.aggregators.foreseen import Foreseen
from fedplat.aggregators.robust import Robust, aggregate
from fedplat.attacks.lies import DataAttack, Seen, TimingAttack, UpdateAttack
from fedplat.errors import ToleranceError
from fedplat.learning import numerics
from fedplat.types import ClientId, Dataset, client_id

Rows = NDArray[np.float32]


@dataclass(eq=False)
class Course:
    """A training under way: `advance` is a round.

    Shapes: `momentum` (clients, d), `moved` (d,), the last aggregate.
    """

    setting: Setting
    model: Gradients
    shards: Sequence[Dataset]
    names: Sequence[ClientId]
    lying: NDArray[np.bool_]

    def __post_init__(self) -> None:
        dim = len(self.model.weights)
        self.chain: Robust = self.setting.rule()
        self.attack = self.setting.lies()
        self.momentum = torch.zeros(len(self.shards), dim)
        self.moved: Rows = np.zeros(dim, dtype=np.float32)
        self.round, self.abandoned = 0, 0
        self.influence = 0.0  # of all liars, summed over rounds
        if isinstance(self.attack, DataAttack):
            self.shards = [
                self.attack.poison(one, rng.derive(self.setting.seed, "poison", i)) if lies else one
                for i, (one, lies) in enumerate(zip(self.shards, self.lying, strict=True))
            ]

    def advance(self) -> None:
        """One round; the model stays as it is where the rule refuses the round."""
        self.round += 1
        chosen = self._cohort()
        if isinstance(self.attack, TimingAttack):  # an answer that is too late is none
            chosen = chosen[~self.lying[chosen]]
        lying = self.lying[chosen]
        if self._invented and not lying.all():
            rows = np.zeros((len(chosen), len(self.moved)), dtype=np.float32)
            rows[~lying] = self._updates(chosen[~lying])
        else:
            rows = self._updates(chosen)
        seed = rng.derive(self.setting.seed, "aggregate", self.round)
        if isinstance(self.attack, UpdateAttack) and lying.any():
            rows[lying] = self._lies(self.attack, rows[lying], rows[~lying], seed)
        try:
            outcome = aggregate(self.chain, rows, seed=seed, reference=self.moved)
        except ToleranceError:
            self.abandoned += 1
            return
        self.influence += float(outcome.influence[lying].sum())
        self.moved = outcome.value
        self.model.weights += torch.from_numpy(outcome.value)

    def _lies(self, attack: UpdateAttack, own: Rows, honest: Rows, seed: int) -> Rows:
        """Rules do not mind the sign of all rows, but what is added to all coordinates does."""
        sign = np.float32(-1 if self.setting.mirrored else 1)
        rule = Foreseen(self.chain, seed, sign * self.moved)
        seen = Seen(sign * own, sign * honest, seed, last=sign * self.moved, aggregate=rule)
        lies: Rows = sign * attack.craft(seen)
        return lies

    @property
    def _invented(self) -> bool:
        """Whether liars need no updates of their own."""
        attack = self.attack
        if isinstance(attack, DataAttack) or not isinstance(attack, UpdateAttack):
            return False
        return attack.knowledge != "own"

    def _cohort(self) -> NDArray[np.int64]:
        everyone, wanted = len(self.shards), self.setting.per_round
        if not wanted:
            return np.arange(everyone)
        drawn = rng.numpy_generator(self.setting.seed, "cohort", self.round)
        return np.sort(drawn.choice(everyone, wanted, replace=False))

    def _updates(self, chosen: NDArray[np.int64]) -> Rows:
        """What each of these clients would send, with its momentum.  Shapes: (chosen, d)."""
        setting = self.setting
        batches = [self._batch(i) for i in chosen]
        inputs = torch.stack([mine for mine, _ in batches])
        targets = torch.stack([wanted for _, wanted in batches])
        found = torch.empty(len(chosen), len(self.model.weights))
        self.model.of(inputs, targets, found)
        if setting.weight_decay:
            found.add_(self.model.weights, alpha=setting.weight_decay)
        found.mul_(-setting.lr)
        if setting.momentum:
            held = self.momentum[chosen].mul_(setting.momentum)
            found = held.add_(found, alpha=1 - setting.momentum)
            self.momentum[chosen] = found
        return found.numpy()

    def _batch(self, client: int) -> tuple[Tensor, Tensor]:
        """The first batch of the client's order in this round, as a client's learner draws it."""
        mine, seed = self.shards[client], self.setting.seed
        stream = rng.derive(seed, "client", self.names[client], "round", self.round, "fit")
        order = rng.generator(rng.derive(stream, "train"), "order", 0)
        drawn = torch.randperm(len(mine), generator=order)[: self.setting.batch_size]
        return mine.inputs[drawn], mine.targets[drawn]


def course(setting: Setting, found: Images, device: str = "cpu") -> Course:
    """The training at its beginning: honest clients first, then the liars."""
    mine = shards(setting, found.pool)
    names = [client_id(i) for i in range(len(mine))]
    lying = np.arange(len(mine)) >= setting.honest
    return Course(setting, gradients(setting.model, setting.seed, device), mine, names, lying)


def measure(told: Mapping[str, Any], folder: Path, device: str = "cpu") -> dict[str, Any]:
    """Trains to the end: validation accuracies on the way, and the test's at two iterates.

    `test_last` is the last model's; `test_selected` that of the model whose validation accuracy was
    best, the first of equal ones.
    """
    numerics.configure()
    with numerics.accelerator(torch.device(device)):
        return _measured(Setting(**told), folder, device)


def _measured(setting: Setting, folder: Path, device: str) -> dict[str, Any]:
    found = images(folder, setting.seed)
    running, best, kept = course(setting, found, device), -1.0, torch.empty(0)
    curve = []
    for step in range(setting.steps + 1):
        if step % setting.every == 0 or step == setting.steps:
            curve.append(_accuracy(running, found.validation))
            if curve[-1] > best:
                best, kept = curve[-1], running.model.weights.clone()
        if step < setting.steps:
            running.advance()
    last = _accuracy(running, found.test)
    running.model.weights.copy_(kept)
    return {
        "validation": curve,
        "test_last": last,
        "test_selected": _accuracy(running, found.test),
        "abandoned": running.abandoned,
        "liars_influence": running.influence / max(1, setting.steps - running.abandoned),
    }


def _accuracy(running: Course, of: Dataset) -> float:
    if not bool(running.model.weights.isfinite().all()):
        return 0.0
    return running.model.accuracy(of.inputs, of.targets)
