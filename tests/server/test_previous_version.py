"""Coordinator and client of this version and the previous one work together, either way round.

The previous version is played with its own descriptors, `kept/v1-before-leases.binpb`: its messages
have no lease, no attempt and no epoch, and what it does not know it does not send.
"""

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from transports.data_plane import Coordinator as DataPlane

from benchmarks.transport.coordinator import coordinator
from benchmarks.transport.fleet import Answer, Fleet, Update
from benchmarks.transport.rounds import PARAMETERS, scenario
from fedplat.transports.grpc.blob_client import BlobClient
from fedplat.transports.grpc.identity import metadata
from fedplat.transports.grpc.session_server import SERVICE
from fedplat.types import client_id
from fedplat.wire.v1 import messages_pb2

KEPT = Path(__file__).parents[1] / "wire" / "kept" / "v1-before-leases.binpb"
FIT, ACCEPTED = 1, 1
PATIENCE_S = 60.0


def previous():
    """The classes of the previous version's messages."""
    pool, left = DescriptorPool(), list(FileDescriptorSet.FromString(KEPT.read_bytes()).file)
    while left:
        known = {one.name for one in left}
        ready = next(one for one in left if not known & set(one.dependency))
        pool.Add(ready)
        left.remove(ready)
    return lambda name: GetMessageClass(pool.FindMessageTypeByName(f"fedplat.wire.v1.{name}"))


@pytest.mark.parametrize("name", ["Offer", "Submit"])
def test_what_is_played_is_not_this_version(name):
    before = set(previous()(name).DESCRIPTOR.fields_by_name)
    assert before < set(getattr(messages_pb2, name).DESCRIPTOR.fields_by_name)


def blob(*what):
    payload = hashlib.shake_128(repr(what).encode()).digest(PARAMETERS)
    payload = b"".join(bytes([one, 0, 0, 0x3A]) for one in payload)  # small float32 numbers
    return hashlib.sha256(payload).hexdigest(), memoryview(payload)


# ── a client of the previous version ─────────────────────────────────────────────────────────────


def federate(where, name, frame_of):
    """Takes part to the end; the verdicts that it heard, and the last frame."""
    outgoing, who, verdicts = SimpleQueue(), metadata(name, plain=True), {}
    answered = set()  # an offer may be said again: it is answered once
    hello = {"protocol": 1, "oldest_protocol": 1, "software": "before", "environment": "{}"}
    outgoing.put(frame_of(hello=hello).SerializeToString())
    with grpc.insecure_channel(where) as channel:
        method = channel.stream_stream(f"/{SERVICE}/Session")
        for payload in method(iter(outgoing.get, None), metadata=who, timeout=PATIENCE_S):
            frame = frame_of.FromString(payload)
            if frame.HasField("welcome"):
                host = f"{where.rpartition(':')[0]}:{frame.welcome.data_port}"
            elif is_new_offer(frame.message, answered):
                answered.add(frame.message.offer.round_id)
                outgoing.put(answer(frame.message.offer, host, who, frame_of))
            elif frame.message.HasField("ack"):
                verdicts[frame.message.ack.round_id] = frame.message.ack.verdict
            elif frame.HasField("finished"):
                outgoing.put(None)
                return verdicts, frame.finished
    raise AssertionError("the session ended before the federation")


def is_new_offer(message, answered):
    return message.HasField("offer") and message.offer.round_id not in answered


def answer(offer, host, who, frame_of):
    digest, payload = blob(offer.client, offer.round_id)
    with grpc.insecure_channel(host) as channel:
        BlobClient(channel, host, metadata=who).put(digest, payload)
    submit = {
        "client": offer.client, "round_id": offer.round_id, "task": FIT,
        "update": bytes.fromhex(digest), "weight": 1.0,
    }  # fmt: skip
    return frame_of(message={"submit": submit}).SerializeToString()


def test_clients_of_the_previous_version_federate_with_this_coordinator(tmp_path):
    frame_of = previous()("Frame")
    with (
        coordinator(tmp_path / "run", scenario(2, 3)) as running,
        ThreadPoolExecutor(2) as pool,
    ):
        ends = [
            pool.submit(federate, running.address, client_id(index), frame_of) for index in range(2)
        ]
        for end in ends:
            verdicts, finished = end.result(PATIENCE_S)
            assert verdicts == dict.fromkeys((1, 2, 3), ACCEPTED)
            assert (finished.round_id, finished.failure, len(finished.model)) == (3, "", 32)


# ── a coordinator of the previous version ────────────────────────────────────────────────────────


def coordinate(frames, frame_of, data_port, rounds, said):
    """Asks one client for an update in each round, and ends."""
    assert frame_of.FromString(next(frames)).HasField("hello")
    welcome = {
        "protocol": 1, "epoch": 1, "software": "before", "environment": "{}", "scenario": "",
        "heartbeat_s": 5.0, "idle_timeout_s": 30.0, "data_port": data_port,
    }  # fmt: skip
    yield frame_of(welcome=welcome)
    name = client_id(0)
    for round_id in range(1, rounds + 1):
        offer = {"client": name, "round_id": round_id, "task": FIT, "broadcast": bytes(32)}
        yield frame_of(message={"offer": offer})
        submit = next(one for one in map(frame_of.FromString, frames) if one.HasField("message"))
        said.append(submit.message.submit)
        ack = {"client": name, "round_id": round_id, "verdict": ACCEPTED}
        yield frame_of(message={"ack": ack})
    yield frame_of(finished={"round_id": rounds, "model": bytes(32)})


def test_a_client_of_this_version_federates_with_a_coordinator_of_the_previous_one(tmp_path):
    frame_of, said = previous()("Frame"), []

    def session(frames, context):
        for frame in coordinate(frames, frame_of, data.port, 3, said):
            yield frame.SerializeToString()

    def answered(offer, data):
        digest, payload = blob(offer.client, offer.round_id)
        return Answer(Update(digest, payload), {})

    async def federated(where):
        fleet = Fleet(1, where, None, answered)
        await fleet.start()
        await asyncio.wait_for(fleet.finish(), PATIENCE_S)
        return fleet.engines[0].finished

    methods = {"Session": grpc.stream_stream_rpc_method_handler(session)}
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    port = server.add_insecure_port("localhost:0")
    with DataPlane(tmp_path) as data:
        server.start()
        finished = asyncio.run(federated(f"localhost:{port}"))
        server.stop(None).wait()
        digests = [blob(client_id(0), round_id)[0] for round_id in (1, 2, 3)]
        assert all(data.incoming.held(one) for one in digests)
    assert finished.round_id == 3
    assert [(one.round_id, one.update.hex()) for one in said] == list(enumerate(digests, 1))
