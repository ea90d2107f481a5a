"""Who is let in, and what it is told."""

from threading import Event

import pytest
from sim.small import small

from fedplat.config.build import build
from fedplat.errors import ProtocolError, UnauthenticatedError
from fedplat.runtime.driver import Driver
from fedplat.storage.memory import MemoryBlobs, MemoryEvents
from fedplat.types import ClientId
from fedplat.wire.session import OLDEST_PROTOCOL, PROTOCOL, Hello
from fedplat_server.coordination import Coordination, Terms
from fedplat_server.daemon import RealClock
from fedplat_server.engine_thread import EngineThread

HELLO = Hello(PROTOCOL, OLDEST_PROTOCOL, "test", "{}")


@pytest.fixture
def coordination():
    one = Coordination(
        build(small()), MemoryBlobs(), EngineThread(print), RealClock(),
        Terms(3, 5.0, 15.0, lambda: 4711), print, keep_updates=False,
    )  # fmt: skip
    yield one
    one.close()


def test_a_client_of_the_federation_is_told_what_is_run_and_where_blobs_travel(coordination):
    welcome = coordination.welcome(ClientId("client-000000"), HELLO)
    assert (welcome.protocol, welcome.epoch, welcome.data_port) == (PROTOCOL, 3, 4711)
    assert (welcome.heartbeat_s, welcome.idle_timeout_s) == (5.0, 15.0)
    assert '[algorithm]\nname = "fedavg"' in welcome.scenario


def test_a_stranger_is_told_who_would_be_let_in(coordination):
    with pytest.raises(UnauthenticatedError, match="no client stranger; its .* client-000000 to"):
        coordination.welcome(ClientId("stranger"), HELLO)


def test_a_client_of_another_protocol_is_told_what_to_update(coordination):
    with pytest.raises(ProtocolError, match="update the client"):
        coordination.welcome(ClientId("client-000000"), Hello(0, 0, "old", "{}"))


def test_what_a_client_computes_with_is_told_in_the_engines_thread(coordination):
    met, over = [], Event()
    coordination.met = lambda client, fingerprint: (met.append((client, fingerprint)), over.set())
    hello = Hello(PROTOCOL, OLDEST_PROTOCOL, "test", '{"torch": "2.12.0"}')
    coordination.welcome(ClientId("client-000000"), hello)
    assert not met
    coordination._engine.start(Driver(coordination.coordinator, MemoryEvents(), {}), int)
    assert over.wait(8.0)
    coordination._engine.stop()
    assert met == [("client-000000", {"torch": "2.12.0"})]


def test_a_client_whose_environment_can_not_be_read_is_refused_and_not_remembered(coordination):
    hello = Hello(PROTOCOL, OLDEST_PROTOCOL, "test", "no JSON")
    with pytest.raises(ProtocolError, match="environment that the client says .* is not JSON"):
        coordination.welcome(ClientId("client-000000"), hello)
