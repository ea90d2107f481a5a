"""A coordinator without clients that an operator can call over real gRPC on loopback."""

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from threading import Event, Thread

import grpc
import grpc.aio
from engine.machines import A, B, C, plan, update

from fedplat.engine.commands import Aggregate, Commit, Evaluate, Fail, Finish
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import Aggregated, Evaluated, Initialised
from fedplat.runtime.driver import Driver
from fedplat.storage.memory import MemoryEvents
from fedplat.transports.grpc.admin_client import AdminClient
from fedplat.transports.grpc.channel import SERVER_OPTIONS, Credentials
from fedplat.types import Digest
from fedplat_server.admin import AdminService
from fedplat_server.engine_thread import EngineThread
from fedplat_server.operations import Operations

PATIENCE_S = 8.0
FIRST = Initialised(0.0, *(Digest(letter * 64) for letter in "012"))


class Standstill:
    def now(self):
        return 1.0


@dataclass
class Operated:
    """A coordinator without clients: a test posts what they would say."""

    port: int
    machine: Coordinator
    engine: EngineThread
    operations: Operations
    ended: list
    keys: Credentials | None

    async def ask(self, name, *words):
        """Calls a method of an operator's client, in a thread."""

        def call():
            with AdminClient(f"localhost:{self.port}", self.keys) as admin:
                return getattr(admin, name)(*words)

        return await asyncio.to_thread(call)

    async def clients(self):
        """What an operator is told of the clients, by their names."""

        def call():
            with AdminClient(f"localhost:{self.port}", self.keys) as admin:
                return {one.client: one for one in admin.clients()}

        return await asyncio.to_thread(call)

    async def answer(self, round_id):
        for client in (A, B, C):
            self.engine.post(update(client, round_id))
        await self.until(lambda: self.machine.last.round_id >= round_id)

    async def until(self, happened):
        async with asyncio.timeout(PATIENCE_S):
            while not happened():
                await asyncio.sleep(0.005)


def performers(engine, ended, influence=()):
    def aggregated(command):
        digests = (Digest(letter * 64) for letter in "abc")
        engine.post(Aggregated(2.0, command.round_id, *digests, influence))

    found = defaultdict(lambda: lambda command: None)
    found[Aggregate] = aggregated
    found[Commit] = lambda command: engine.post(command.record)
    found[Evaluate] = lambda command: engine.post(Evaluated(3.0, command.round_id, {}))
    found[Finish] = ended.append
    found[Fail] = lambda command: ended.append(command.error)
    return found


@asynccontextmanager
async def operated(log=None, *, port=0, keys=None, of_operator=None, influence=(), **changes):
    log = MemoryEvents() if log is None else log
    machine, ended = Coordinator(plan(**changes)), []
    engine = EngineThread(ended.append)
    operations = Operations(machine, engine, log, Standstill(), 7, ended.append)
    driver = Driver(machine, log, performers(engine, ended, influence), observers=(operations.on,))

    def begin():
        if driver.replay() == 0:
            driver.post(FIRST)
        else:
            driver.resume(1.0)

    engine.start(driver, begin)
    server = grpc.aio.server(options=SERVER_OPTIONS)
    server.add_generic_rpc_handlers((AdminService(operations, plain=keys is None).handler(),))
    if keys is None:
        port = server.add_insecure_port(f"localhost:{port}")
    else:
        port = server.add_secure_port(f"localhost:{port}", keys.of_server())
    await server.start()
    try:
        yield Operated(port, machine, engine, operations, ended, of_operator)
    finally:
        if ended:
            operations.close(ended[0])
        engine.stop()
        await server.stop(0.5)


@contextmanager
def in_background(**settings):
    """The same in a thread of its own, for a command that waits for its answer."""
    found, ready, over = [], Event(), Event()

    async def main():
        async with operated(**settings) as one:
            found.append(one)
            ready.set()
            while not over.is_set():
                await asyncio.sleep(0.01)
                if one.ended:
                    one.operations.close(one.ended[0])

    thread = Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        if not ready.wait(PATIENCE_S):
            raise TimeoutError("the server did not start")
        yield found[0]
    finally:
        over.set()
        thread.join()
