"""A data connection that was closed because nothing happened on it is opened again unnoticed."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import grpc
from transports.data_plane import until

from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import Incoming
from fedplat.transports.grpc.blob_client import BlobClient
from fedplat.transports.grpc.blob_server import BlobService
from fedplat.transports.grpc.channel import CHANNEL_OPTIONS, DATA_IDLE_MS, DATA_OPTIONS
from fedplat.transports.grpc.identity import metadata
from fedplat.transports.grpc.slots import Slots

IDLE_STATE = grpc.ChannelConnectivity.IDLE
IDLE = ("grpc.max_connection_idle_ms", DATA_IDLE_MS)


def test_a_client_that_comes_back_after_a_pause_is_served_over_a_new_connection(tmp_path):
    assert IDLE in DATA_OPTIONS
    options = [(IDLE[0], 200) if one == IDLE else one for one in DATA_OPTIONS]
    blobs = FileBlobs(tmp_path)
    service = BlobService(
        Incoming(blobs, tmp_path / "incoming"), blobs.get, lambda *_: None, Slots(1), plain=True
    )
    server = grpc.server(ThreadPoolExecutor(2), options=options)
    server.add_generic_rpc_handlers((service.handler(),))
    where = f"localhost:{server.add_insecure_port('localhost:0')}"
    server.start()
    states = []
    with grpc.insecure_channel(where, options=CHANNEL_OPTIONS) as channel:
        channel.subscribe(states.append)
        client = BlobClient(channel, where, metadata=metadata("client-000000", plain=True))
        for content in (b"first", b"second"):
            digest = hashlib.sha256(content).hexdigest()
            assert client.put(digest, memoryview(content)) == len(content)
            until(lambda: states[-1:] == [IDLE_STATE] and len(states) > 1)
            states.append("paused")
    server.stop(None).wait()
    assert states.count(grpc.ChannelConnectivity.READY) == 2, states
