"""What a training process answers, read as a stranger's: it runs the user's code.

A line that is not what `tasks` writes is a failed training with a reason, and nothing else: no
file outside the process's room is read or named by it, and nothing is computed of a number's size.
"""

import json
import math
import os
import re
import stat
import time
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import torch

from fedplat.errors import DivergenceError, TrainingError
from fedplat.params import Layout
from fedplat.runtime.client_work import Done, Failed, Outcome
from fedplat.types import Digest, Mean, Metrics, Role, TensorSpec
from fedplat_client.tasks import STATE, STEPS_EVERY_S, UPDATE

Answer = Mapping[str, Any]
DIGEST = re.compile(r"[0-9a-f]{64}")
FRACTION = re.compile(r"-?[0-9]{1,2000}(/[1-9][0-9]{0,1999})?")
MAX_COUNT, MAX_STEP = 1 << 62, (1 << 31) - 1
MAX_METRICS_CHARACTERS = 200_000  # names and totals together: they travel in one message


def read(line: bytes, stage: str) -> Answer:
    """The answer in a line.  Raises: TrainingError, if it is none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise garbled(stage, f"no JSON: {error}") from error
    if not isinstance(found, dict):
        raise garbled(stage, "no table")
    return found


def tensors(answer: Answer) -> list[str]:
    """The tensors of an update, in words, as the process says when it is ready."""
    found = answer.get("tensors")
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise garbled("start", "no tensors")
    return found


def moved(answer: Answer) -> Layout | None:
    """The tensors that the downlink's steps move, as the process says when it is ready."""
    if "moved" not in answer:
        return None
    try:
        return Layout.of(_spec(*one) for one in answer["moved"])
    except (ValueError, TypeError) as error:
        raise garbled("start", f"no tensors that move: {error}"[:200]) from error


def _spec(name: str, role: Role, shape: list[int]) -> TensorSpec:
    sizes = all(type(size) is int and 0 <= size <= MAX_COUNT for size in shape)
    if not (isinstance(name, str) and role in get_args(Role) and sizes):
        raise ValueError("one has no name, role and shape")
    return TensorSpec(name, torch.float32, tuple(shape), role=role)


class Pace:
    """The steps that a training says it has made, ever more, and no more often than `tasks` says.

    `clock` has shown at most the moment at which the training was asked for.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._begun_s = clock, clock()
        self._said = self._last = 0

    def step(self, answer: Answer) -> int | None:
        """The steps that a line says; None, if it is the answer.

        Raises: TrainingError, if it is neither: a flood of such lines would busy the daemon.
        """
        if "step" not in answer:
            return None
        step = answer["step"]
        if len(answer) > 1 or type(step) is not int or not self._last < step <= MAX_STEP:
            raise garbled("training", f"no local step after {self._last}")
        self._said, self._last = self._said + 1, step
        if (self._said - 1) * STEPS_EVERY_S > self._clock() - self._begun_s:
            raise garbled("training", f"{self._said} times how many steps it has made")
        return step


def outcome(answer: Answer, room: Path) -> Outcome:
    """What became of a task; the update and the state lie in `room`.

    Raises: TrainingError, if that is not what the process says or has left there.
    """
    try:
        if "error" in answer:
            return _failed(answer)
        update = answer["update"]
        if update is not None and not (isinstance(update, str) and DIGEST.fullmatch(update)):
            raise ValueError("its update has no digest")
        weight = float(answer["weight"])
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"its weight is {weight}")
        metrics = _metrics(answer["metrics"])
        payload, state = content(room / UPDATE), content(room / STATE)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise garbled("training", f"{type(error).__name__}: {error}"[:200]) from error
    return Done(metrics, payload, None if update is None else Digest(update), weight, state)


def content(path: Path) -> bytes:
    """The bytes of a plain file.  Raises: ValueError, if it is a link, a pipe or absent."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ValueError(f"{path.name} can not be read ({error.strerror})") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ValueError(f"{path.name} is no plain file")
    with os.fdopen(handle, "rb") as file:
        return file.read()


def garbled(stage: str, what: str) -> TrainingError:
    """What to say of an answer that `tasks` does not write."""
    reason = f"the training process answered in a way that it never does ({what}); does the "
    reason += "training code write into descriptors or files that are not its own?"
    return TrainingError(round_id="?", client="?", stage=stage, reason=reason)


def _failed(answer: Answer) -> Outcome:
    if answer["error"] == DivergenceError.__name__:
        step = int(answer["fields"]["step"])
        if not 0 <= step <= MAX_STEP:
            raise ValueError(f"local step {step}")
        fields = {name: str(value) for name, value in answer["fields"].items()}
        return Failed(DivergenceError(**{**fields, "step": step}))
    fields = {"round_id": "?", "client": "?", "stage": "training", "reason": str(answer["text"])}
    return Failed(TrainingError(**fields))


def _metrics(plain: Mapping[str, Any]) -> Metrics:
    if sum(len(name) + len(total) for name, (total, _) in plain.items()) > MAX_METRICS_CHARACTERS:
        raise ValueError(f"{len(plain)} metrics are more than a message holds")
    return {name: _mean(name, total, count) for name, (total, count) in plain.items()}


def _mean(name: str, total: str, count: int) -> Mean:
    if not (type(count) is int and 0 <= count <= MAX_COUNT and FRACTION.fullmatch(total)):
        raise ValueError(f"the metric {name[:40]!r} is no fraction over a count")
    numerator, _, denominator = total.partition("/")
    return Mean(Fraction(int(numerator), int(denominator or 1)), count)
