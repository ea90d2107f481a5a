"""Messages in one process go as bytes, and the bytes that are counted are those that went."""

import pytest

from fedplat.engine.messages import Ack, Decline, Offer, Submit
from fedplat.transports.inprocess import InProcess
from fedplat.types import Digest, Mean, client_id
from fedplat.wire import convert

A = client_id(0)
DIGEST = Digest("ab" * 32)
METRICS = {"train_loss": Mean.of(0.1, 3)}
DOWN = [Offer(A, 1, "fit", DIGEST, delay_s=2.5), Ack(A, 1, "accepted")]
UP = [Submit(A, 1, "fit", DIGEST, 12.0, METRICS), Decline(A, 1, "fit", "dropout")]


@pytest.mark.parametrize("message", DOWN)
def test_what_the_client_reads_is_equal_but_not_the_same_object(message):
    transport = InProcess()
    read = transport.to_client(message)
    assert read == message and read is not message
    assert (transport.bytes_down, transport.bytes_up) == (len(convert.encode(message)), 0)


@pytest.mark.parametrize("message", UP)
def test_what_the_coordinator_reads_is_equal_but_not_the_same_object(message):
    transport = InProcess()
    read = transport.to_coordinator(message)
    assert read == message and read is not message
    assert (transport.bytes_down, transport.bytes_up) == (0, len(convert.encode(message)))


def test_bytes_of_messages_and_blobs_add_up_by_direction():
    transport = InProcess()
    sizes = {"down": 0, "up": 0}
    for message in DOWN * 2:
        transport.to_client(message)
        sizes["down"] += len(convert.encode(message))
    for message in UP * 3:
        transport.to_coordinator(message)
        sizes["up"] += len(convert.encode(message))
    transport.download(1000)
    assert transport.upload(b"x" * 77) == b"x" * 77
    assert transport.bytes_down == sizes["down"] + 1000
    assert transport.bytes_up == sizes["up"] + 77


@pytest.mark.parametrize("text", ["file \udcff.csv", "x" * 3_000_000, "\0", "naïve 联邦"], ids=len)
def test_whatever_the_users_code_said_when_it_failed_arrives_readable(text):
    decline = Decline(A, 1, "fit", "failed", text)
    read = InProcess().to_coordinator(decline)
    assert (read.client, read.reason) == (A, "failed")
    assert 0 < len(read.detail) <= len(text)
    read.detail.encode()  # no half of a character in it
    if len(text) < 100 and "\udcff" not in text:
        assert read.detail == text
