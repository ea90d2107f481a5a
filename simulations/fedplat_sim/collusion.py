"""Liars that work together: they see what the others of a round send, and then say what they say.

Only a simulation can have them: what one client of a real federation sends, no other client sees.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from fedplat import rng
from fedplat.aggregators.foreseen import Foreseen
from fedplat.attacks.lies import KnownRule, Seen, UpdateAttack
from fedplat.engine.coordinator import Coordinator
from fedplat.errors import DivergenceError, TrainingError
from fedplat.protocols import ClientResult, FoldRule
from fedplat.runtime.client_work import ClientTask, ClientWork, Done, Outcome, Task, failed
from fedplat.runtime.lying import Lies
from fedplat.runtime.ports import BlobReader, BlobStore, Executor
from fedplat.runtime.server_work import ServerWork
from fedplat.types import ClientId, Digest

Arrived = Callable[[int], Mapping[ClientId, Digest]]
Rule = Callable[[int], KnownRule]
Updates = Sequence[NDArray[np.float32]]


def colluding(
    executor: Executor,
    work: ClientWork,
    blobs: BlobStore,
    coordinator: Coordinator,
    server: ServerWork,
) -> Executor:
    """The executor for a federation's clients, where some of them may have to lie together."""
    lies = work.lies
    if lies is None or not lies.are_told_together:
        return executor

    def arrived(round_id: int) -> Mapping[ClientId, Digest]:
        there = coordinator.round.accepted.values()
        return {one.client: one.update for one in there if one.round_id == round_id}

    def rule(round_id: int) -> KnownRule:
        chain = None if isinstance(server.rule, FoldRule) else server.rule
        seed = rng.derive(lies.seed, "foreseen", round_id)
        compared = server.reference(coordinator.broadcast, coordinator.kept, round_id)
        layers = [spec.numel for spec in work.cargo.shared.flat]
        reference = None if compared is None else compared.numpy()
        return Foreseen(chain, seed, reference, layers=layers)

    return Collusion(executor, work, lies, blobs.get, arrived, rule)


@dataclass
class Collusion:
    """An executor whose liars lie when all others of their round have worked.

    `arrived` are the updates of a round that the coordinator has already, so that a run which goes
    on after an interruption lies as it would have; `rule` is the coordinator's, for liars who know
    it.  What the liars see is what the coordinator sees: updates as they were decoded.
    """

    inner: Executor
    work: ClientWork
    lies: Lies
    read: BlobReader
    arrived: Arrived
    rule: Rule
    _tasks: list[ClientTask] = field(default_factory=list)
    _worked: set[ClientTask] = field(default_factory=set)
    _sent: dict[ClientId, bytes | memoryview] = field(default_factory=dict)
    _outcomes: dict[ClientTask, Outcome] = field(default_factory=dict)

    @property
    def parts(self) -> int:
        return self.inner.parts

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def numerics(self) -> str:
        return self.inner.numerics

    def submit(self, task: Task) -> None:
        if isinstance(task, ClientTask) and task.kind == "fit":
            self._begin(task.round_id)
            self._tasks.append(task)
            if task.client in self.lies.liars:
                return  # it waits for the others
        self.inner.submit(task)

    def result(self, task: Task) -> Outcome:
        if not isinstance(task, ClientTask) or task.kind != "fit":
            return self.inner.result(task)
        if task not in self._outcomes and task.client in self.lies.liars:
            self._lie(task.round_id)
        if task not in self._outcomes:
            self._outcomes[task] = self._honest(task)
        return self._outcomes.pop(task)

    def close(self) -> None:
        self.inner.close()

    def _begin(self, round_id: int) -> None:
        """Forgets the round before."""
        if self._tasks and self._tasks[0].round_id != round_id:
            self._tasks, self._worked, self._sent = [], set(), {}

    def _honest(self, task: ClientTask) -> Outcome:
        outcome = self.inner.result(task)
        self._worked.add(task)
        if isinstance(outcome, Done):
            self._sent[task.client] = outcome.payload
        return outcome

    def _lie(self, round_id: int) -> None:
        """Has all liars of the round say what they agree on."""
        mine = [task for task in self._tasks if task.client in self.lies.liars]
        for task in self._tasks:
            if task not in mine and task not in self._worked:
                self._outcomes[task] = self._honest(task)
        own: dict[ClientTask, ClientResult] = {}
        for task in sorted(mine, key=lambda one: one.client.encode()):
            try:
                own[task] = self._truth(task)
            except (DivergenceError, TrainingError) as error:
                self._outcomes[task] = failed(error, task)
        if not own:
            return
        updates = [result.update.numpy() for result in own.values()]
        for (task, result), lie in zip(own.items(), self._said(round_id, updates), strict=True):
            false = replace(result, update=torch.from_numpy(lie))
            self._outcomes[task] = self.work.encoded(task, false)

    def _truth(self, task: ClientTask) -> ClientResult:
        work = self.work
        broadcast = work.broadcast(task.broadcast, self.read(task.broadcast), task.round_id)
        state, data = work.remembered(task)[0], work.shards.client(task.client)
        return work.trained(task, broadcast, state, data)

    def _said(self, round_id: int, own: Updates) -> Updates:
        attack = self.lies.attack
        if not isinstance(attack, UpdateAttack):
            raise TypeError(f"{attack!r} makes no updates")
        before = self.arrived(round_id)
        sent = {**{one: self.read(digest) for one, digest in before.items()}, **self._sent}
        honest = [one for one in sorted(sent, key=str.encode) if one not in self.lies.liars]
        rows = [self.work.cargo.decode_update(sent[one]).update.numpy() for one in honest]
        there = sum(one in self.lies.liars for one in before)
        dim = self.work.cargo.shared.dim
        seen = Seen(
            np.stack(own),
            np.stack(rows) if rows else np.empty((0, dim), dtype=np.float32),
            rng.derive(self.lies.seed, "lie", round_id),
            clients=len(honest) + len(own) + there,
            lying=len(own) + there,
            aggregate=self.rule(round_id) if attack.knowledge == "rule" else None,
        )
        return list(np.ascontiguousarray(attack.craft(seen)))
