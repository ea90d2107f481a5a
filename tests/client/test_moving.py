"""The client's data plane: one channel at a time, and a blob that can not be moved is said."""

import asyncio

import grpc
import pytest
from client.alone import ME, alone, welcome
from transports.data_plane import Coordinator, blob

from fedplat.engine.messages import Decline, Offer
from fedplat.errors import MissingBlobError, ProtocolError
from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import Incoming
from fedplat.transports.grpc.dial import Dialer
from fedplat.transports.grpc.identity import metadata
from fedplat_client.moving import Mover

CONTENT, DIGEST = blob(5000)


class Remembering:
    """Dials, and keeps the channels."""

    def __init__(self):
        self.channels = []

    def data(self, where):
        self.channels.append(Dialer(None).data(where))
        return self.channels[-1]


def is_closed(channel):
    try:
        channel.unary_unary("/x")(b"", timeout=0.01)
    except ValueError:
        return True
    except grpc.RpcError:
        return False
    return False


def mover(dialer):
    return Mover(dialer, metadata(ME, plain=True), lambda position: None, lambda *why: None)


def test_the_channel_to_where_the_blobs_were_is_closed_when_they_are_elsewhere(tmp_path):
    dialer = Remembering()
    moves = mover(dialer)
    for port in (1, 1, 2):
        moves.go_to(f"127.0.0.1:{port}")
    first, second = dialer.channels
    assert is_closed(first) and not is_closed(second)
    moves.close()
    assert is_closed(second)


def test_a_transfer_that_is_under_way_ends_before_its_channel_is_closed(tmp_path):
    dialer, seen = Remembering(), []
    inbox = Incoming(FileBlobs(tmp_path / "mine"), tmp_path / "mine" / "incoming")

    async def fetch(moves, port):
        def move(client):
            moves.go_to("127.0.0.1:1")
            seen.append(is_closed(dialer.channels[0]))
            return client.get(DIGEST, 1 << 20, inbox)

        moves.go_to(f"127.0.0.1:{port}")
        await moves.moved(move)

    with Coordinator(tmp_path) as coordinator:
        coordinator.blobs.put(CONTENT)
        moves = mover(dialer)
        asyncio.run(fetch(moves, coordinator.port))
    assert inbox.held(DIGEST) == len(CONTENT)
    assert seen == [False] and is_closed(dialer.channels[0])
    moves.close()


def test_a_move_before_the_welcome_is_refused():
    with pytest.raises(ProtocolError, match="before the welcome"):
        asyncio.run(mover(Remembering()).moved(lambda client: 0))


def nothing_here(client, direction, digest):
    raise MissingBlobError(where="the coordinator", digest=digest)


def answered(folder, permit):
    """What the client says of an offer whose broadcast the coordinator does, or does not, have."""

    async def hear(daemon, port):
        daemon.welcomed(welcome(data_port=port))
        daemon.received(Offer(ME, 1, "fit", DIGEST))
        try:
            return await daemon.session.until(Decline)
        finally:
            daemon.trainer.stop()

    with Coordinator(folder / "there", **permit) as coordinator, alone(folder / "here") as daemon:
        daemon.deployment = daemon.deployment.model_copy(
            update={"coordinator": "127.0.0.1:1"}  # the data plane's host is the coordinator's
        )
        return asyncio.run(hear(daemon, coordinator.port))


def test_an_offer_whose_broadcast_can_not_be_had_is_declined(tmp_path):
    declined = answered(tmp_path, {"permit": nothing_here})
    assert (declined.round_id, declined.task, declined.reason) == (1, "fit", "failed")
    assert declined.detail.startswith("MissingBlobError")
