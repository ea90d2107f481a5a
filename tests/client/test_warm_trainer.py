"""The training process is there before the coordinator is, and ready before the first offer."""

import asyncio

import pytest
from client.alone import PATIENCE_S, PLAIN, alone, welcome

from fedplat.config import scenario as scenarios
from fedplat.errors import ConfigError
from fedplat.transports.grpc.dial import Dialer
from fedplat_client.trainer import Limits, Trainer

pytestmark = pytest.mark.slow
SCENARIO = scenarios.parse(PLAIN)


class Watching(Dialer):
    """Refuses the first channel, and remembers whether there was a process by then."""

    warm = None

    def control(self, where):
        Watching.warm = self.trainer.process_id is not None
        raise ConfigError(where=where, reason="nobody is dialled in this test")


def test_the_process_runs_before_any_channel_exists_and_ends_with_the_client(tmp_path):
    with alone(tmp_path) as daemon:
        Watching.trainer = daemon.trainer
        daemon.dialer = Watching(None)
        with pytest.raises(ConfigError, match="nobody is dialled"):
            asyncio.run(daemon.run())
    assert Watching.warm and daemon.trainer.process_id is None


def test_a_welcome_makes_it_ready_without_an_offer(tmp_path):
    async def ready(daemon):
        await daemon.trainer.warm()
        first = daemon.trainer.process_id
        daemon.welcomed(welcome())
        await asyncio.wait_for(daemon.loading, PATIENCE_S)
        assert daemon.trainer.ready and daemon.trainer.process_id == first
        daemon.trainer.stop()

    with alone(tmp_path) as daemon:
        asyncio.run(ready(daemon))


def test_one_that_dies_before_the_scenario_comes_is_started_again(tmp_path):
    async def loaded():
        trainer = Trainer(tmp_path / "training", Limits())
        await trainer.warm()
        first = trainer.process_id
        trainer.stop()
        await trainer.load(SCENARIO)
        assert trainer.ready and trainer.process_id not in (None, first)
        trainer.stop()

    asyncio.run(loaded())


def test_a_scenario_that_can_not_work_is_refused_by_the_process(tmp_path):
    wrong = scenarios.parse({**PLAIN, "algorithm": "fedbn"})

    async def load():
        trainer = Trainer(tmp_path / "training", Limits())
        try:
            await trainer.load(wrong)
        finally:
            trainer.stop()

    with pytest.raises(ConfigError, match="what works"):
        asyncio.run(load())
