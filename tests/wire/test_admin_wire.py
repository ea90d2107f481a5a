"""What an operator is told travels as it is; what strangers send is refused, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedplat.errors import CorruptPayloadError
from fedplat.types import ClientId, Digest
from fedplat.wire import admin
from fedplat.wire.admin import Record, Standing
from fedplat.wire.v1 import admin_pb2 as pb

NAMES = st.lists(st.text(max_size=8).map(ClientId), max_size=3).map(tuple)
COUNTS = st.integers(0, 2**32 - 1)
SECONDS = st.floats(0, 1e9)
STANDINGS = st.builds(
    Standing,
    phase=st.sampled_from(["collecting", "paused"]),
    round_id=COUNTS,
    rounds=COUNTS,
    epoch=COUNTS,
    seconds=SECONDS,
    asked=NAMES,
    accepted=NAMES,
    missing=NAMES,
    lost=st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3),
    connected=st.dictionaries(st.text(max_size=5), SECONDS, max_size=3),
    paused=st.booleans(),
    draining=st.booleans(),
    model=st.none() | st.binary(min_size=32, max_size=32).map(lambda raw: Digest(raw.hex())),
    waiting_for=st.text(max_size=20),
    unlike=st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3),
    steps=st.dictionaries(st.text(max_size=5), st.integers(0, 2**64 - 1), max_size=3),
    quarantined=st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3),
)
RECORDS = st.builds(
    Record,
    resume_token=COUNTS,
    event=st.text(max_size=30),
    end=st.sampled_from([None, "finished", "failed", "stopped"]),
    detail=st.text(max_size=30),
)


@given(STANDINGS)
def test_a_standing_arrives_as_it_was(standing):
    assert admin.decode_standing(admin.encode_standing(standing)) == standing


@given(RECORDS)
def test_a_record_arrives_as_it_was(record):
    assert admin.decode_record(admin.encode_record(record)) == record


@given(st.integers(0, 2**64 - 1))
def test_a_resume_token_arrives_as_it_was(token):
    assert admin.decode_watch(admin.encode_watch(token)) == token


def test_a_reason_arrives_without_the_space_around_it():
    assert admin.decode_abort(admin.encode_abort(" wrong labels ")) == "wrong labels"


DECODERS = [admin.decode_standing, admin.decode_record, admin.decode_watch, admin.decode_abort]


@pytest.mark.parametrize("decode", DECODERS, ids=lambda one: one.__name__)
@given(st.binary(max_size=64))
def test_any_bytes_are_understood_or_refused(decode, payload):
    try:
        decode(payload)
    except CorruptPayloadError:
        pass


@pytest.mark.parametrize(
    ("decode", "payload", "reason"),
    [
        (admin.decode_abort, pb.AbortRequest(reason=" ").SerializeToString(), "needs a reason"),
        (admin.decode_abort, b"x" * (1 << 17), "the limit is"),
        (admin.decode_record, pb.Record(end="later").SerializeToString(), "'later'"),
        (admin.decode_standing, pb.Status(model=b"abc").SerializeToString(), "3 bytes"),
    ],
)
def test_what_is_wrong_is_said(decode, payload, reason):
    with pytest.raises(CorruptPayloadError, match=reason):
        decode(payload)
