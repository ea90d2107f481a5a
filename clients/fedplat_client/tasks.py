"""What the training process does: it makes a scenario's parts, then its client's tasks.

Updates and states travel as files in a folder that its parent sees too.
"""

import json
import time
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, TextIO

from fedplat.config import scenario as scenarios
from fedplat.config.build import Own, build
from fedplat.errors import FedplatError
from fedplat.learning import numerics
from fedplat.learning.torch_learner import TorchLearner
from fedplat.runtime.client_work import ClientTask, ClientWork, Done, Outcome
from fedplat.runtime.downlink import Downlink
from fedplat.types import ClientId, Digest, Metrics

UPDATE, STATE, FIRST = "update.bin", "state.bin", "first.bin"
STEPS_EVERY_S = 2.0  # at most, how often a training says how many steps it has made


def answer(lines: TextIO, folder: Path, sandbox: Mapping[str, Any]) -> None:
    """Says that it is warm and how it is shut in, makes the scenario, then does task after task."""
    numerics.configure()
    _say(lines, {"warm": True, "sandbox": sandbox})
    if not (line := lines.readline()):
        return  # there is nothing to train after all
    try:
        work = _work(json.loads(line))
    except FedplatError as error:
        _say(lines, _told(error))
        return
    _say(lines, {"ready": True, "tensors": _tensors(work), **_downlink(work, folder)})
    while line := lines.readline():
        if isinstance(work.learner, TorchLearner):  # users' code does not count its steps
            work.learner.stepped = Steps(lambda step: _say(lines, {"step": step}))
        _say(lines, _answer(work, json.loads(line), folder))


class Steps:
    """Counts a task's local steps, and says the count at most every `STEPS_EVERY_S`."""

    def __init__(
        self, say: Callable[[int], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say, self._clock = say, clock
        self._done, self._said_s = 0, clock()

    def __call__(self) -> None:
        self._done += 1
        now_s = self._clock()
        if now_s - self._said_s >= STEPS_EVERY_S:
            self._said_s = now_s
            self._say(self._done)


def _work(order: Mapping[str, Any]) -> ClientWork:
    own = None if order["own"] is None else Own(**order["own"])
    return build(scenarios.parse(order["scenario"]), own).work


def _say(lines: TextIO, answer: Mapping[str, Any]) -> None:
    lines.write(json.dumps(answer) + "\n")
    lines.flush()


def _tensors(work: ClientWork) -> list[str]:
    """What an update is made of, in words: the shared tensors, and the algorithm's extras."""
    cargo = work.cargo
    shapes = [(spec.name, "×".join(map(str, spec.shape)) or "1") for spec in cargo.shared.specs]
    extras = sorted(cargo.algorithm.extra_kinds.items())
    return [f"{name} {shape}" for name, shape in (*shapes, *extras)]


def _downlink(work: ClientWork, folder: Path) -> Mapping[str, Any]:
    """What a parent needs that takes steps: the tensors that they move, and the first model."""
    downlink = Downlink.of(work.cargo)
    if downlink is None:
        return {}
    (folder / FIRST).write_bytes(work.cargo.encode_broadcast(work.cargo.first))
    return {"moved": [[one.name, one.role, list(one.shape)] for one in downlink.layout.specs]}


def _answer(work: ClientWork, order: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    task = ClientTask(
        ClientId(order["client"]),
        order["round_id"],
        order["kind"],
        Digest(order["broadcast"]),
        Path(order["state"]).read_bytes() if order["state"] else b"",
    )
    try:
        return _written(work.do(task, memoryview(Path(order["path"]).read_bytes())), folder)
    except FedplatError as error:
        return _told(error)


def _written(outcome: Outcome, folder: Path) -> Mapping[str, Any]:
    if not isinstance(outcome, Done):
        return _told(outcome.error)
    (folder / UPDATE).write_bytes(outcome.payload)
    (folder / STATE).write_bytes(outcome.state)
    return {
        "update": outcome.update,
        "weight": outcome.weight,
        "metrics": plain_metrics(outcome.metrics),
    }


def _told(error: FedplatError) -> Mapping[str, Any]:
    fields = {name: str(value) for name, value in error.fields.items()}
    return {"error": type(error).__name__, "fields": fields, "text": str(error)}


def plain_metrics(metrics: Metrics) -> dict[str, list[Any]]:
    """Metrics as JSON takes them: exact."""
    return {name: [str(Fraction(mean.total)), mean.count] for name, mean in metrics.items()}
