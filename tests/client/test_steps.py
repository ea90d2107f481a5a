"""How many steps a training has made: said now and then, believed as a stranger's word."""

import asyncio

import pytest
from client.alone import PLAIN

from fedplat.config import scenario as scenarios
from fedplat.config.build import build
from fedplat.errors import TrainingError
from fedplat.runtime.client_work import ClientTask, Done
from fedplat.runtime.server_work import ServerWork
from fedplat.storage.memory import MemoryBlobs
from fedplat.types import client_id
from fedplat_client.answers import Pace
from fedplat_client.tasks import Steps
from fedplat_client.trainer import Limits, Trainer

LONG = {**PLAIN["training"], "epochs": None, "steps": 40_000}  # seconds


class Clock:
    """Shows what a test has set."""

    now_s = 7.0

    def __call__(self):
        return self.now_s


def test_all_steps_are_counted_and_few_are_said_which_the_daemon_believes():
    clock, said = Clock(), []
    pace = Pace(clock)
    steps = Steps(lambda step: said.append(pace.step({"step": step})), clock)
    for _ in range(100):
        clock.now_s += 0.125
        steps()
    assert said == [16, 32, 48, 64, 80, 96]


def test_an_answer_is_no_step():
    assert Pace().step({"update": None, "weight": 1.0, "metrics": {}}) is None


@pytest.mark.parametrize(
    "answer",
    [
        {"step": 0}, {"step": -1}, {"step": 1 << 31}, {"step": "1"}, {"step": 1.0}, {"step": True},
        {"step": None}, {"step": [1]}, {"step": 1, "update": "x"},
    ],
    ids=str,
)  # fmt: skip
def test_what_no_training_says_of_its_steps_is_refused(answer):
    with pytest.raises(TrainingError, match="no local step after 0"):
        Pace().step(answer)


def test_steps_only_grow():
    clock = Clock()
    pace = Pace(clock)
    assert pace.step({"step": 5}) == 5
    clock.now_s += 60.0
    for step in (5, 4):
        with pytest.raises(TrainingError, match="no local step after 5"):
            pace.step({"step": step})


def test_steps_that_come_too_often_are_refused():
    clock = Clock()
    pace = Pace(clock)
    pace.step({"step": 1})
    with pytest.raises(TrainingError, match="2 times"):
        pace.step({"step": 2})


@pytest.mark.slow
def test_a_slow_training_says_its_steps_and_ends_in_the_same_update(tmp_path):
    scenario = scenarios.parse({**PLAIN, "training": LONG})
    parts, blobs, said = build(scenario), MemoryBlobs(), []
    begun = ServerWork(parts.work.cargo, parts.rule, blobs, 2).initialise(0.0)
    (tmp_path / "broadcast").write_bytes(blobs.get(begun.broadcast))
    task = ClientTask(client_id(0), 1, "fit", begun.broadcast)

    async def done():
        trainer = Trainer(tmp_path / "training", Limits())
        try:
            await trainer.load(scenario)
            return await trainer.do(task, tmp_path / "broadcast", said.append)
        finally:
            trainer.stop()

    found = asyncio.run(done())
    assert isinstance(found, Done), found
    assert said and said == sorted(set(said)) and said[-1] <= LONG["steps"]
    assert found.update == parts.work.do(task, blobs.get(begun.broadcast)).update
