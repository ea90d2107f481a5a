"""Who may move which blob: what has been offered, and nothing before the coordinator knows."""

import pytest
from server.test_welcome import coordination  # noqa: F401  a fixture

from fedplat.engine.commands import Send
from fedplat.engine.messages import Ack
from fedplat.errors import MissingBlobError, TransportError, UnknownClientError
from fedplat.types import ClientId, Digest

ME = ClientId("client-000000")
FIRST, SECOND = Digest("a" * 64), Digest("b" * 64)


def say_something(coordination):  # noqa: F811
    coordination.performers[Send](Send(Ack(ME, 1, "accepted")))


def test_while_a_coordinator_starts_a_download_is_to_be_tried_again(coordination):  # noqa: F811
    with pytest.raises(TransportError, match="is starting") as refused:
        coordination.permit(ME, "download", FIRST)
    assert refused.value.retryable
    coordination.permit(ME, "upload", FIRST)


def test_what_is_offered_may_be_downloaded_and_nothing_else(coordination):  # noqa: F811
    coordination.coordinator.broadcast = FIRST
    say_something(coordination)
    coordination.permit(ME, "download", FIRST)
    with pytest.raises(MissingBlobError):
        coordination.permit(ME, "download", SECOND)


def test_what_the_machine_comes_to_is_permitted_once_it_is_said(coordination):  # noqa: F811
    coordination.coordinator.broadcast = FIRST
    say_something(coordination)
    coordination.coordinator.broadcast = SECOND  # in the engine's thread, in the middle of an event
    coordination.permit(ME, "download", FIRST)
    say_something(coordination)
    coordination.permit(ME, "download", SECOND)


def test_a_stranger_moves_nothing(coordination):  # noqa: F811
    for direction in ("upload", "download"):
        with pytest.raises(UnknownClientError):
            coordination.permit(ClientId("stranger"), direction, FIRST)


def test_bytes_that_go_down_are_counted_as_they_go(coordination):  # noqa: F811
    coordination.transport.sent(10)
    coordination.transport.sent(5)
    assert coordination.transport.bytes_down == 15
