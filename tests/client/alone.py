"""A client's daemon without a control plane: a test says what the coordinator would, and hears."""

import asyncio
from contextlib import ExitStack, contextmanager

from fedplat.config import scenario as scenarios
from fedplat.config.deployment import ClientDeployment
from fedplat.types import ClientId
from fedplat.wire.session import Welcome
from fedplat_client.daemon import _Daemon

ME = ClientId("client-000000")
PATIENCE_S = 20.0
PLAIN = {
    "name": "files",
    "seed": 1,
    "rounds": 1,
    "algorithm": "fedavg",
    "data": {"name": "digits"},
    "partition": {"name": "iid"},
    "clients": {"count": 2},
    "model": {"name": "logistic"},
    "training": {"optimizer": "sgd", "lr": 0.1, "batch_size": 8, "epochs": 1},
}


def welcome(scenario=PLAIN, data_port=1):
    toml = scenarios.parse(scenario).to_toml()
    return Welcome(1, 1, "fedplat", "{}", toml, 20.0, 120.0, data_port)


class Heard:
    """The session: what the client says in it."""

    def __init__(self):
        self.frames = []

    def send(self, frame):
        self.frames.append(frame)

    async def until(self, kind):
        async with asyncio.timeout(PATIENCE_S):
            while not (found := [one for one in self.frames if isinstance(one, kind)]):
                await asyncio.sleep(0.005)
        return found[-1]


@contextmanager
def alone(folder, **settings):
    """The daemon, in `folder`; its records are in `.told`, its frames in `.session`.

    Who has started its training process stops it, in the same loop.
    """
    told = []
    deployment = ClientDeployment(coordinator="localhost:7700", folder=folder, name=ME, **settings)
    with ExitStack() as stack:
        daemon = _Daemon(deployment, told.append, stack)
        daemon.session, daemon.told = Heard(), told
        yield daemon
